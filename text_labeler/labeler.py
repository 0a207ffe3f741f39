"""The labeler: a report in, labels with the words behind them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from data_cards.label_table import EvidenceRow
from text_labeler.aggregation import NO_FINDING, Aggregator
from text_labeler.assertion import SentenceReader
from text_labeler.mentions import Mention
from text_labeler.rulebook import RULES_FOLDER, load_rulebook
from text_labeler.sections import SectionSplitter
from text_labeler.sentences import SentenceSplitter, make_readable
from text_labeler.severity import SeverityGrader

LABELED_CHARACTERS = 200_000
"""Longer reports are labelled on this many characters only, and say so (`truncated`)."""

REMEMBERED_SENTENCES = 200_000
"""Readings kept by sentence; when there are more, all are forgotten and reading begins anew."""

SEVERITY_EVIDENCE = "Edema Severity"
"""The name under which evidence for the severity level stands."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One mention behind a label: `report[start:end]` are its words, and so for its cue.

    `assertion`: positive, uncertain or negative for a finding; the status (cues.yaml) for the
    severity. `rule`: the concept and the cue that gave it, as the YAML files name them. `change`:
    better, worse, unchanged, new, or nothing; `grade`: a grade word's row, or nothing.
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

    def to_row(self) -> EvidenceRow:
        """Return what the label table keeps of it."""
        return {
            "finding": self.finding,
            "section": self.section,
            "start": self.start,
            "end": self.end,
            "assertion": self.assertion,
            "rule": self.rule,
            "cue_start": self.cue_start,
            "cue_end": self.cue_end,
        }


@dataclass(frozen=True, slots=True)
class ReportLabels:
    """What a report says: codes and probabilities by finding, the severity of edema, evidence.

    `labels`: CheXpert's codes (1, 0, -1) for every name of FINDINGS, None when not mentioned.
    `severity`: 0 to 3 with the probabilities of the four levels, both None when the report says
    nothing of edema. `truncated`: the report is longer than LABELED_CHARACTERS.
    """

    labels: dict[str, int | None]
    probabilities: dict[str, float | None]
    severity: int | None
    severity_probabilities: tuple[float, float, float, float] | None
    evidence: list[Evidence]
    truncated: bool = False


class _Place(NamedTuple):
    """A mention at its place: the section's name and where the sentence starts in the report."""

    section: str
    offset: int
    mention: Mention


class Labeler:
    """Labels reports by the rules of a folder, counted as one of their profiles says.

    Raises RuleError for rules that cannot be used and for an unknown profile. A labeler remembers
    sentences, since they recur in every corpus; it never keeps reports. Any text gives a result.
    """

    def __init__(self, profile: str = "chexpert", *, rules: Path = RULES_FOLDER) -> None:
        book = load_rulebook(rules)
        self.profile = book.profile(profile)
        self.rules_hash = book.content_hash
        self._sections = SectionSplitter(book.sections)
        self._sentences = SentenceSplitter(book.sections)
        self._reader = SentenceReader(book)
        self._severity = SeverityGrader(book.severity)
        self._aggregator = Aggregator(self.profile)
        self._counted = frozenset(self.profile.sections)
        self._remembered: dict[str, tuple[Mention, ...]] = {}

    def __call__(self, report: str) -> ReportLabels:
        """Label one report; time is linear in its length."""
        places, has_text = self._read(report[:LABELED_CHARACTERS])
        mentions = [place.mention for place in places]
        labels, probabilities = self._aggregator.aggregate(mentions, has_text=has_text)
        severity = self._severity.grade(mentions)
        return ReportLabels(
            labels=labels,
            probabilities=probabilities,
            severity=None if severity is None else severity.level,
            severity_probabilities=None if severity is None else severity.probabilities,
            evidence=list(self._collect_evidence(places, labels)),
            truncated=len(report) > LABELED_CHARACTERS,
        )

    def pipe(self, reports: Iterable[str]) -> Iterator[ReportLabels]:
        """Label reports one after the other, as they come."""
        for report in reports:
            yield self(report)

    def _read(self, report: str) -> tuple[list[_Place], bool]:
        cased, lowered = make_readable(report)
        places: list[_Place] = []
        has_text = False
        for section in self._sections.split(cased):
            if section.name not in self._counted:
                continue
            for start, end in self._sentences.split(cased, section.start, section.end):
                has_text = True
                for mention in self._read_sentence(lowered[start:end]):
                    places.append(_Place(section.name, start, mention))
        return places, has_text

    def _read_sentence(self, sentence: str) -> tuple[Mention, ...]:
        reading = self._remembered.get(sentence)
        if reading is None:
            reading = self._reader.read(sentence)
            if len(self._remembered) >= REMEMBERED_SENTENCES:
                self._remembered.clear()
            self._remembered[sentence] = reading
        return reading

    def _collect_evidence(
        self, places: list[_Place], labels: dict[str, int | None]
    ) -> Iterator[Evidence]:
        for place in places:
            for vote in self._aggregator.votes(place.mention):
                yield _make_evidence(place, vote.finding, vote.code.name.lower())
            if self._severity.speaks(place.mention):
                yield _make_evidence(place, SEVERITY_EVIDENCE, place.mention.status)
            if labels[NO_FINDING] == 1 and self._aggregator.denies_disease(place.mention):
                yield _make_evidence(place, NO_FINDING, "positive")


def _make_evidence(place: _Place, finding: str, assertion: str) -> Evidence:
    section, offset, mention = place
    has_cue = mention.cue_start is not None and mention.cue_end is not None
    return Evidence(
        finding=finding,
        section=section,
        start=offset + mention.start,
        end=offset + mention.end,
        assertion=assertion,
        rule=f"{mention.concept}+{mention.cue}" if mention.cue else mention.concept,
        cue_start=offset + (mention.cue_start or 0) if has_cue else None,
        cue_end=offset + (mention.cue_end or 0) if has_cue else None,
        change=mention.change,
        grade=mention.grade,
    )
