"""Where labels and a reference disagree, with the words that the labels rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from data_cards.findings import PARENTS, LabelCode
from data_cards.label_table import list_findings
from data_cards.study import Listing
from text_labeler.aggregation import NO_FINDING
from text_labeler.gold import Gold
from text_labeler.reading import SEVERITY_EVIDENCE, Evidence
from text_labeler.scoring import ScoringError, UncertainAs, align_studies


class Kind(StrEnum):
    """What went wrong: not seen at all, seen and read otherwise, or seen where nothing is."""

    MISSED = "missed"
    WRONG = "wrong assertion"
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True)
class Disagreement:
    """One study and finding for which the labels say other than the reference.

    `evidence`: the mentions of the finding and of its kinds (see PARENTS); of all findings where
    `is_own` is false, since the labels have none of it.
    """

    study_id: str
    finding: str
    kind: Kind
    gold: str
    given: str
    evidence: tuple[Evidence, ...]
    is_own: bool


CODE_NAMES = {
    int(LabelCode.POSITIVE): "present",
    int(LabelCode.NEGATIVE): "absent",
    int(LabelCode.UNCERTAIN): "uncertain",
    None: "not mentioned",
}


def find_disagreements(
    labels: pd.DataFrame, gold: Gold, *, uncertain_as: UncertainAs = "absent"
) -> list[Disagreement]:
    """Return the disagreements by finding, kind and study.

    A reference that knows presence only is asked for no more, under the policy for uncertain
    labels; else every other code is a disagreement. Severity comes last: another level than the
    reference's, none where it has one, or one where the report does not speak of edema.
    """
    found: list[Disagreement] = []
    if gold.findings is not None:
        table, reference = align_studies(labels, gold.findings)
        for finding in list_findings(labels.columns):
            if finding in reference:
                found += _find_wrong_codes(finding, table, reference, gold, uncertain_as)
    if gold.severity is not None:
        found += _find_wrong_levels(labels, gold.severity)
    order = list(Kind)
    places = {name: place for place, name in enumerate(dict.fromkeys(d.finding for d in found))}
    return sorted(found, key=lambda one: (places[one.finding], order.index(one.kind)))


def read_reports(listing: Listing, disagreements: Iterable[Disagreement]) -> dict[str, str]:
    """Return the reports of the studies in question, by study id.

    Raises ScoringError for studies that the listing does not have, and when a report is shorter
    than what its evidence points at: then the labels were made from another text.
    """
    ends: dict[str, int] = {}
    for one in disagreements:
        last = max((piece.end for piece in one.evidence), default=0)
        ends[one.study_id] = max(last, ends.get(one.study_id, 0))
    reports = {
        study["study_id"]: study["report"] or ""
        for study in listing.studies.select_columns(["study_id", "report"])
        if study["study_id"] in ends
    }
    missing = sum(study not in reports for study in ends)
    shorter = sum(end > len(reports[study]) for study, end in ends.items() if study in reports)
    if missing or shorter:
        raise ScoringError(
            f"{listing.corpus}: of {len(ends)} studies {missing} have no report there, and"
            f" {shorter} have one that ends before their evidence does; expected the reports that"
            " the labels were made from"
        )
    return reports


def list_patients(listing: Listing) -> dict[str, str]:
    """Return the patient of each study."""
    studies = listing.studies
    return dict(zip(studies["study_id"], studies["patient_id"], strict=True))


def _list_codes(codes: pd.Series[Any]) -> list[int | None]:
    return [None if pd.isna(code) else int(code) for code in codes]


def _judge_presence(given: int | None, meant: int | None, uncertain_as: UncertainAs) -> Kind | None:
    is_uncertain = given == LabelCode.UNCERTAIN
    if is_uncertain and uncertain_as == "uncertain":
        return None
    is_present = given == LabelCode.POSITIVE or (is_uncertain and uncertain_as == "present")
    if meant == LabelCode.POSITIVE and not is_present:
        return Kind.MISSED if given is None else Kind.WRONG
    return Kind.FALSE_ALARM if is_present and meant != LabelCode.POSITIVE else None


def _judge_code(given: int | None, meant: int | None) -> Kind | None:
    if given == meant:
        return None
    if given is None:
        return Kind.MISSED
    return Kind.FALSE_ALARM if meant is None else Kind.WRONG


def _name_gold(meant: int | None, gold: Gold) -> str:
    if gold.presence_only and meant != LabelCode.POSITIVE:
        return "not coded"
    return CODE_NAMES[meant]


def _find_wrong_codes(
    finding: str,
    table: pd.DataFrame,
    reference: pd.DataFrame,
    gold: Gold,
    uncertain_as: UncertainAs,
) -> Iterator[Disagreement]:
    codes = zip(_list_codes(table[finding]), _list_codes(reference[finding]), strict=True)
    for row, (given, meant) in enumerate(codes):
        if gold.presence_only:
            kind = _judge_presence(given, meant, uncertain_as)
        else:
            kind = _judge_code(given, meant)
        if kind is not None:
            names = (_name_gold(meant, gold), CODE_NAMES[given])
            yield _make(table.iloc[row], finding, kind, names)


def _find_wrong_levels(labels: pd.DataFrame, severity: pd.DataFrame) -> Iterator[Disagreement]:
    table, reference = align_studies(labels, severity)
    speaks = reference["speaks"] if "speaks" in reference else [True] * len(reference)
    levels = zip(
        _list_codes(table["edema_severity"]), _list_codes(reference["severity"]), strict=True
    )
    for row, ((given, meant), speaks_of_edema) in enumerate(zip(levels, speaks, strict=True)):
        kind = _judge_code(given, meant)
        if kind is Kind.FALSE_ALARM and speaks_of_edema:
            continue  # the reference has no level to hold against it
        if kind is not None:
            names = (_name_level(meant), _name_level(given))
            yield _make(table.iloc[row], SEVERITY_EVIDENCE, kind, names)


def _name_level(level: int | None) -> str:
    return "no level" if level is None else f"level {level}"


def _make(labels: pd.Series[Any], finding: str, kind: Kind, names: tuple[str, str]) -> Disagreement:
    pieces = tuple(Evidence(**mention) for mention in labels["evidence"] or ())
    wanted = {finding} if finding != SEVERITY_EVIDENCE else {finding, "Edema"}
    wanted |= {name for name, parent in PARENTS.items() if parent in wanted}
    own = tuple(piece for piece in pieces if piece.finding in wanted)
    is_own = bool(own) and finding != NO_FINDING
    gold, given = names
    shown = own if is_own else pieces
    return Disagreement(str(labels.name), finding, kind, gold, given, shown, is_own)
