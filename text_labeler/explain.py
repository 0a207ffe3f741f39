"""Says why a report has its labels: each with its words, cue, section and rule, ready to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from data_cards.findings import SEVERITY_NAMES
from text_labeler.aggregation import CODES, NO_FINDING, Aggregator
from text_labeler.highlight import kind_of
from text_labeler.labeler import LABELED_CHARACTERS, Evidence, Labeler, ReportLabels
from text_labeler.reading import SEVERITY_EVIDENCE, PieceReader
from text_labeler.rulebook import RULES_FOLDER, load_rulebook

LABEL_WORDS = {int(code): word for word, code in CODES.items()}
"""CheXpert's codes in words."""

_ORDER = ("positive", "uncertain", "negative")
_WITHOUT_WORDS = {
    "positive": "no finding that counts is positive or uncertain",
    "negative": "a finding or another abnormality stands",
}


class ExplanationError(ValueError):
    """A finding that is asked for and that no rule knows."""


@dataclass(frozen=True)
class Reason:
    """One piece of evidence in its words.

    `number` counts the mentions of a report in their order; evidence for several findings in the
    same words shares it. `is_overruled`: another mention of the finding decided on its label.
    """

    number: int
    evidence: Evidence
    words: str
    cue: str
    is_overruled: bool

    @property
    def kind(self) -> str:
        """positive, uncertain, negative or severity."""
        return kind_of(self.evidence.assertion)

    @property
    def details(self) -> tuple[str, ...]:
        """What is known beside the assertion: grade, side, region, change against the prior."""
        piece = self.evidence
        known = [piece.grade.replace("_", " "), piece.laterality, piece.anatomy, piece.change]
        if self.kind == "severity":
            known.insert(0, piece.assertion.replace("_", " "))
        return tuple(word for word in known if word)

    @property
    def scope(self) -> tuple[int, int]:
        """The characters from the cue to the words it reaches (the words alone without a cue)."""
        piece = self.evidence
        if piece.cue_start is None or piece.cue_end is None:
            return piece.start, piece.end
        return min(piece.start, piece.cue_start), max(piece.end, piece.cue_end)


@dataclass(frozen=True)
class ExplainedLabel:
    """A label that is not null and all that speaks for or against it, in the report's order."""

    finding: str
    says: str
    probability: float
    reasons: tuple[Reason, ...]

    @property
    def note(self) -> str:
        """Why, when no words of the report name it; only No Finding can be without words."""
        return "" if self.reasons else _WITHOUT_WORDS.get(self.says, "")


@dataclass(frozen=True)
class ExplainedSeverity:
    """The severity of edema: level 0 to 3, its name, the four probabilities, and what gave it.

    `change`: against the prior study (new, worse, unchanged, better, resolved), if it is said.
    """

    level: int
    name: str
    probabilities: tuple[float, float, float, float]
    change: str | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class ShownSection:
    """A section's characters; its heading stands from `start` to `heading_end`, if it has one."""

    name: str
    start: int
    heading_end: int
    end: int
    counts: bool


@dataclass(frozen=True)
class Explanation:
    """All that can be said of a report's labels; labels that are null are in `not_mentioned`."""

    report: str
    profile: str
    rules_hash: str
    severity: ExplainedSeverity | None
    labels: tuple[ExplainedLabel, ...]
    not_mentioned: tuple[str, ...]
    sections: tuple[ShownSection, ...]
    truncated: bool

    @property
    def reasons(self) -> list[Reason]:
        """The reasons of the severity and of all labels."""
        severity = self.severity.reasons if self.severity else ()
        return [*severity, *(reason for label in self.labels for reason in label.reasons)]

    def only(self, finding: str) -> Explanation:
        """Keep one finding (or `severity`), named in any case; raises ExplanationError."""
        wanted = finding.casefold()
        if wanted in {"severity", "edema severity"}:
            return replace(self, labels=(), not_mentioned=())
        labels = tuple(label for label in self.labels if label.finding.casefold() == wanted)
        silent = tuple(name for name in self.not_mentioned if name.casefold() == wanted)
        if not labels and not silent:
            known = [*(label.finding for label in self.labels), *self.not_mentioned]
            raise ExplanationError(
                f"{finding!r}: no such finding. Known: severity, {', '.join(sorted(known))}"
            )
        return replace(self, severity=None, labels=labels, not_mentioned=silent)

    def to_record(self) -> dict[str, Any]:
        """Return it as JSON values; `labels` holds null for a finding that is not mentioned."""
        labels: dict[str, Any] = {
            label.finding: {
                "label": label.says,
                "code": int(CODES[label.says]),
                "probability": label.probability,
                "evidence": [_to_record(reason) for reason in label.reasons],
            }
            for label in self.labels
        }
        severity = self.severity and {
            "level": self.severity.level,
            "name": self.severity.name,
            "probabilities": list(self.severity.probabilities),
            "change": self.severity.change,
            "evidence": [_to_record(reason) for reason in self.severity.reasons],
        }
        return {
            "profile": self.profile,
            "rules_hash": self.rules_hash,
            "truncated": self.truncated,
            "severity": severity,
            "labels": {**labels, **dict.fromkeys(self.not_mentioned)},
            "sections": [
                {"name": one.name, "start": one.start, "end": one.end, "counts": one.counts}
                for one in self.sections
            ],
        }


def _to_record(reason: Reason) -> dict[str, Any]:
    return {
        **reason.evidence._asdict(),
        "words": reason.words,
        "cue": reason.cue,
        "is_overruled": reason.is_overruled,
    }


class Explainer:
    """Labels reports and says why; raises RuleError like Labeler."""

    def __init__(self, profile: str = "chexpert", *, rules: Path = RULES_FOLDER) -> None:
        book = load_rulebook(rules)
        self._labeler = Labeler(profile, rules=rules)
        self._denials = frozenset(book.severity.readings.denied)
        counted = self._labeler.profile
        self._sections = frozenset(name for group in counted.sections for name in group)
        self._reader = PieceReader(book, Aggregator(counted, self._labeler.findings))

    def __call__(self, report: str) -> Explanation:
        """Explain the labels of one report."""
        result = self._labeler(report)
        reasons = list(self._list_reasons(report, result))
        labels = [
            ExplainedLabel(
                finding,
                LABEL_WORDS[code],
                result.probabilities[finding] or 0.0,
                tuple(reason for reason in reasons if reason.evidence.finding == finding),
            )
            for finding, code in result.labels.items()
            if code is not None
        ]
        labels.sort(key=lambda label: (label.finding == NO_FINDING, _ORDER.index(label.says)))
        return Explanation(
            report,
            self._labeler.profile.name,
            self._labeler.rules_hash,
            _explain_severity(result, reasons),
            tuple(labels),
            tuple(name for name, code in result.labels.items() if code is None),
            tuple(self._find_sections(report)),
            result.truncated,
        )

    def _list_reasons(self, report: str, result: ReportLabels) -> Iterator[Reason]:
        places = sorted({(piece.start, piece.end) for piece in result.evidence})
        numbers = {place: number for number, place in enumerate(places, 1)}
        for piece in result.evidence:
            cue = ""
            if piece.cue_start is not None:
                cue = " ".join(report[piece.cue_start : piece.cue_end].split())
            yield Reason(
                numbers[piece.start, piece.end],
                piece,
                " ".join(report[piece.start : piece.end].split()),
                cue,
                self._is_overruled(piece, result),
            )

    def _is_overruled(self, piece: Evidence, result: ReportLabels) -> bool:
        if piece.finding == SEVERITY_EVIDENCE:
            return bool(result.severity) and piece.assertion in self._denials
        return CODES[piece.assertion] != result.labels[piece.finding]

    def _find_sections(self, report: str) -> Iterator[ShownSection]:
        report = report[:LABELED_CHARACTERS]
        starts = [*self._find_starts(report), (len(report), len(report), "")]
        for (start, heading_end, name), (end, _, _) in pairwise(starts):
            if start < end:
                yield ShownSection(name, start, heading_end, end, name in self._sections)

    def _find_starts(self, report: str) -> Iterator[tuple[int, int, str]]:
        """Give where a heading or another section begins, the heading's end, the section."""
        above = ""
        for section, offset, part in self._reader.find_parts(report):
            heading = part.heading
            if heading and heading.start < heading.end:
                yield offset + heading.start, offset + heading.end, section
            elif section != above:
                start = offset + heading.start if heading else offset
                yield start, start, section
            above = section


def _explain_severity(result: ReportLabels, reasons: Iterable[Reason]) -> ExplainedSeverity | None:
    if result.severity is None or result.severity_probabilities is None:
        return None
    return ExplainedSeverity(
        result.severity,
        SEVERITY_NAMES[result.severity],
        result.severity_probabilities,
        result.severity_change,
        tuple(reason for reason in reasons if reason.evidence.finding == SEVERITY_EVIDENCE),
    )
