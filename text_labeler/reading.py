"""What each piece of a report says, read once: the same sentences recur in every corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from text_labeler.aggregation import NO_FINDING, Aggregator, Vote, keep_best
from text_labeler.assertion import SentenceReader
from text_labeler.attributes import AttributeReader
from text_labeler.mentions import Mention
from text_labeler.phrases import find_starts, split_words
from text_labeler.rulebook import RuleBook
from text_labeler.sections import UNHEADED, Heading, SectionSplitter
from text_labeler.sentences import (
    ReadableText,
    SentenceEnds,
    cut_pieces,
    cut_sentences,
    make_readable,
)
from text_labeler.severity import SeverityGrader, Statement

REMEMBERED_PIECES = 200_000
"""Readings kept by piece; when there are more, all are forgotten and reading begins anew."""

REMEMBERED_CHARACTERS = 1000
"""Longer pieces hardly recur, and are not kept."""

SEVERITY_EVIDENCE = "Edema Severity"
"""The name under which evidence for the severity level stands."""


class Evidence(NamedTuple):
    """One mention behind a label: `report[start:end]` are its words, and so for its cue.

    `assertion`: positive, uncertain or negative for a finding; the status (cues.yaml) for the
    severity. `rule`: the concept and the cue that gave it, as the YAML files name them. `change`:
    better, worse, unchanged, new, or nothing; `grade`: a grade word's row, or nothing;
    `laterality`: left, right, bilateral, or nothing; `anatomy`: a region's name, or nothing.
    """

    finding: str
    section: str
    start: int
    end: int
    assertion: str
    rule: str
    cue_start: int | None
    cue_end: int | None
    change: str = ""
    grade: str = ""
    laterality: str = ""
    anatomy: str = ""


class Reading(NamedTuple):
    """What a sentence says, ready to be counted; places are characters of its piece.

    `normal`: evidence for No Finding, which counts when the whole report is normal.
    """

    votes: tuple[Vote, ...]
    blocks_no_finding: bool
    statements: tuple[Statement, ...]
    evidence: tuple[Evidence, ...]
    normal: tuple[Evidence, ...]


class Part:
    """What stands under one heading in a piece, or before any; read when it is first asked for.

    `has_words`: something stands there; `ends_paragraph`: a blank line follows; `ends_line`: it is
    the line break behind a full stop.
    """

    __slots__ = ("_readings", "_source", "ends_line", "ends_paragraph", "has_words", "heading")

    def __init__(
        self, heading: Heading | None, text: ReadableText, start: int, end: int, reader: PieceReader
    ) -> None:
        self.heading = heading
        words_end = len(text.cased[start:end].rstrip()) + start
        breaks = text.cased.count("\n", words_end, end)
        self.has_words = words_end > start
        self.ends_paragraph = breaks > 1
        self.ends_line = breaks > 0 and not self.has_words
        self._source: tuple[PieceReader, ReadableText, int, int] | None = (
            (reader, text, start, end) if self.has_words else None
        )
        self._readings: tuple[Reading, ...] = ()

    def ends(self, *, has_body: bool) -> bool:
        """Tell whether a short section ends here; `has_body`: the report has a body further on."""
        return self.ends_paragraph or (self.ends_line and not has_body)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """One for each sentence. What stands in a section that does not count is never read."""
        if self._source is not None:
            reader, text, start, end = self._source
            self._readings = tuple(reader.read_sentences(text, start, end))
            self._source = None
        return self._readings


_GOES_ON: tuple[Part, ...] = ()
"""Remembered of a piece that is not the end of its sentence."""


class PieceReader:
    """Reads pieces of reports; a reading depends on nothing but the text of its piece."""

    def __init__(self, book: RuleBook, aggregator: Aggregator) -> None:
        self._headings = SectionSplitter(book.sections)
        self._ends = SentenceEnds(book.sections)
        self._reader = SentenceReader(book)
        self._attributes = AttributeReader(book.attributes, book.place_phrases)
        self._aggregator = aggregator
        self._severity = SeverityGrader(book.severity)
        self._remembered: dict[str, tuple[Part, ...]] = {}

    def find_parts(self, report: str) -> Iterator[tuple[str, int, Part]]:
        """Give the parts of a report: the section, where the part's piece begins, and the part."""
        short = self._headings.short
        placed = [(offset, part) for offset, parts in self._find_pieces(report) for part in parts]
        section, has_words, body = UNHEADED, False, -1
        for index, (offset, part) in enumerate(placed):
            heading = part.heading
            if heading and (section in short or not heading.ends_short):
                section, has_words = heading.section, False
                if section in short and body < index:
                    body = self._find_body(placed, index)
            has_words = has_words or part.has_words
            yield section, offset, part
            if has_words and section in short and part.ends(has_body=index < body):
                section = UNHEADED

    def _find_body(self, placed: Sequence[tuple[int, Part]], start: int) -> int:
        """Give the first place after `start` with a heading of the body; without one, `start`."""
        body = self._headings.body
        for index in range(start, len(placed)):
            heading = placed[index][1].heading
            if heading and heading.section in body:
                return index
        return start

    def _find_pieces(self, report: str) -> Iterator[tuple[int, tuple[Part, ...]]]:
        remembered = self._remembered
        offset, held = 0, ""
        for cut in cut_pieces(report):
            piece = held + cut if held else cut
            parts = remembered.get(piece)
            if parts is None:
                parts = self._remember(piece)
            if not parts:
                held = piece
                continue
            held = ""
            yield offset, parts
            offset += len(piece)
        if held:
            yield offset, tuple(self._cut_parts(held))

    def _remember(self, piece: str) -> tuple[Part, ...]:
        if len(piece) > REMEMBERED_CHARACTERS:
            return tuple(self._cut_parts(piece))
        parts = _GOES_ON if self._ends.goes_on(piece) else tuple(self._cut_parts(piece))
        if len(self._remembered) >= REMEMBERED_PIECES:
            self._remembered.clear()
        self._remembered[piece] = parts
        return parts

    def _cut_parts(self, piece: str) -> Iterator[Part]:
        text = make_readable(piece)
        above: Heading | None = None
        start = 0
        if self._headings.may_have_headings(text.cased):
            for heading in self._headings.find_headings(text.cased):
                if start or heading.start:
                    yield Part(above, text, start, heading.start, self)
                above, start = heading, heading.end
        yield Part(above, text, start, len(piece), self)

    def read_sentences(self, text: ReadableText, start: int, end: int) -> Iterator[Reading]:
        """Read the sentences of a piece, or of a part of it."""
        for first, last in cut_sentences(text.cased, start, end):
            yield self._read_sentence(text.lowered[first:last], first)

    def _read_sentence(self, sentence: str, offset: int) -> Reading:
        words = split_words(sentence)
        mentions = self._reader.read(words)
        if not mentions:
            return _SAYS_NOTHING
        self._attributes.add_attributes(words, mentions)
        statements = self._severity.read(mentions)
        starts = find_starts(sentence, words, offset)
        evidence: list[Evidence] = []
        normal: list[Evidence] = []
        best: dict[str, Vote] = {}
        is_blocked = False
        weights = self._aggregator.weights
        for index, mention in enumerate(mentions):
            votes, blocks, denies_disease, said = weights[mention.concept, mention.status]
            keep_best(best, votes)
            is_blocked = is_blocked or blocks
            if statements:
                statement = statements[index]
                if statement is not None and statement.role in _GRADING:
                    said = (*said, (SEVERITY_EVIDENCE, mention.status))
            if said or denies_disease:
                begin, end, *more = _describe(mention, words, starts)
                for name, says in said:
                    evidence.append(_new(Evidence, (name, "", begin, end, says, *more)))
                if denies_disease:
                    normal.append(Evidence(NO_FINDING, "", begin, end, "positive", *more))
        return Reading(
            tuple(best.values()),
            is_blocked,
            tuple(filter(None, statements)),
            tuple(evidence),
            tuple(normal),
        )


_GRADING = frozenset({"affirmed", "hedged", "denied"})
_SAYS_NOTHING = Reading((), False, (), (), ())
_new = tuple.__new__  # twice as fast as Evidence(...)


def _describe(mention: Mention, words: Sequence[str], starts: Sequence[int]) -> tuple[Any, ...]:
    """Give the fields of Evidence after its section, but for the assertion."""
    last = mention.shown_last - 1
    cue_start = cue_end = None
    if mention.cue_last > mention.cue_first:
        cue_start = starts[mention.cue_first]
        cue_end = starts[mention.cue_last - 1] + len(words[mention.cue_last - 1])
    return (
        starts[mention.shown_first],
        starts[last] + len(words[last]),
        f"{mention.concept}+{mention.cue}" if mention.cue else mention.concept,
        cue_start,
        cue_end,
        mention.change,
        mention.grade,
        mention.laterality,
        mention.anatomy,
    )
