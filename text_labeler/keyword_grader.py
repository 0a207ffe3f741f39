"""Grades edema by keywords and NegEx, as the founding paper's labeler did (MICCAI 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from configs.files import hash_json
from configs.settings import Settings
from data_cards.findings import FINDINGS, SEVERITY_LEVELS
from text_labeler.labeler import ReportLabels
from text_labeler.reading import SEVERITY_EVIDENCE, Evidence
from text_labeler.rule_files import read_rule_file
from text_labeler.rulebook import RULES_FOLDER
from text_labeler.sections import UNHEADED

KEYWORD_RULES = RULES_FOLDER / "miccai2020.yaml"

Phrases = tuple[str, ...]


class Triggers(Settings):
    """NegEx's triggers, by what they do."""

    before: Phrases
    behind: Phrases
    pseudo: Phrases
    ends: Phrases


class KeywordRules(Settings):
    """miccai2020.yaml: keywords by level, and triggers."""

    affirmed: dict[Literal["1", "2", "3"], Phrases]
    denied: Phrases
    mentioned: Phrases
    triggers: Triggers


_SENTENCE = re.compile(r"[^.:]+")


class KeywordGrader:
    """Gives a report the highest level of the keywords it holds, and no finding.

    A reproduction to compare with: it reads every section, knows no hedge, and gives nothing when
    no keyword is found. Chauhan, Liao et al. 2020; negation after Chapman et al. 2001. Keywords and
    triggers are plain text, so that its time is linear in the report. Raises RuleError for a
    faulty file.
    """

    def __init__(self, rules: Path = KEYWORD_RULES) -> None:
        file = read_rule_file(rules)
        keywords = file.validate(KeywordRules)
        self.rules_hash = hash_json(file.values)
        self.findings = FINDINGS
        self._keywords = [
            *(("affirmed", int(level), p) for level, ps in keywords.affirmed.items() for p in ps),
            *(("denied", 0, phrase) for phrase in keywords.denied),
            *(("mentioned", 0, phrase) for phrase in keywords.mentioned),
        ]
        kinds = keywords.triggers
        self._kind = {phrase: kind for kind, phrases in kinds for phrase in phrases}
        longest_first = sorted(self._kind, key=len, reverse=True)
        self._triggers = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")

    def __call__(self, report: str) -> ReportLabels:
        """Grade one report."""
        lowered = report.lower()
        if len(lowered) != len(report):  # a few letters become two in lower case: keep those
            lowered = "".join(
                low if len(low := letter.lower()) == 1 else letter for letter in report
            )
        evidence = [
            piece
            for sentence in _SENTENCE.finditer(lowered)
            for piece in self._read(sentence.group(), sentence.start())
        ]
        level = max((int(piece.grade) for piece in evidence), default=None)
        return ReportLabels(
            dict.fromkeys(FINDINGS),
            dict.fromkeys(FINDINGS),
            level,
            None if level is None else _all_on(level),
            None,
            evidence,
        )

    def _read(self, sentence: str, offset: int) -> Iterator[Evidence]:
        triggers = [
            (found.start(), found.end(), self._kind[found.group()])
            for found in self._triggers.finditer(sentence)
        ]
        for rule, level, phrase in self._keywords:
            for start in _find_all(sentence, phrase):
                cue = _find_denial(triggers, start, start + len(phrase))
                if rule == "mentioned" or (rule == "denied") == (cue is not None):
                    reason = cue if rule == "denied" else None
                    yield _make_evidence(offset + start, phrase, f"{rule} {level}", reason, offset)


Trigger = tuple[int, int, str]


def _find_all(sentence: str, phrase: str) -> Iterator[int]:
    start = sentence.find(phrase)
    while start >= 0:
        yield start
        start = sentence.find(phrase, start + len(phrase))


def _find_denial(triggers: Sequence[Trigger], start: int, end: int) -> Trigger | None:
    """The trigger in front of a keyword, or else behind it, that reaches it."""
    ahead = [trigger for trigger in triggers if trigger[1] <= start and trigger[2] != "behind"]
    if ahead and (active := _last_active(ahead)):
        return active
    for trigger in triggers:
        if trigger[0] >= end and trigger[2] in {"behind", "ends"}:
            return trigger if trigger[2] == "behind" else None
    return None


def _last_active(triggers: Sequence[Trigger]) -> Trigger | None:
    active = None
    for trigger in triggers:
        if trigger[2] == "before":
            active = trigger
        elif trigger[2] == "ends":
            active = None
    return active


def _make_evidence(
    start: int, phrase: str, rule: str, cue: Trigger | None, offset: int
) -> Evidence:
    cue_start, cue_end = (offset + cue[0], offset + cue[1]) if cue else (None, None)
    return Evidence(
        SEVERITY_EVIDENCE,
        UNHEADED,
        start,
        start + len(phrase),
        "affirmed" if rule.startswith("affirmed") else "negated",
        rule,
        cue_start,
        cue_end,
        grade=rule[-1],
    )


@cache
def _all_on(level: int) -> tuple[float, float, float, float]:
    p0, p1, p2, p3 = (float(level == other) for other in range(SEVERITY_LEVELS))
    return p0, p1, p2, p3
