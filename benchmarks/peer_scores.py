"""Scores labelers that know only presence on Open-i's gold, as tests/text_labeler does ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_cards.study import Listing
from text_labeler.gold import read_gold
from text_labeler.score_command import SHARED_CLASSES
from text_labeler.scoring import score_findings


@dataclass(frozen=True)
class Reference:
    """Reports (parallel to `study_ids`) whose findings are known from Open-i's coders."""

    study_ids: list[str]
    reports: list[str]
    findings: pd.DataFrame

    def score(self, labels: list[list[str]]) -> dict[str, float]:
        """Return micro and macro F1 over the seven shared classes, from the findings present."""
        rows = [
            {"study_id": study_id, **{name: int(name in present) for name in SHARED_CLASSES}}
            for study_id, present in zip(self.study_ids, labels, strict=True)
        ]
        predicted = pd.DataFrame(rows).astype(dict.fromkeys(SHARED_CLASSES, "Int8"))
        scores = score_findings(predicted, self.findings).only(SHARED_CLASSES)
        return {"micro_f1": scores.micro.f1, "macro_f1": scores.macro_f1}


def read_reference(source: str, root: Path | None, listing: Listing) -> Reference | None:
    """Return Open-i's gold when the reports are Open-i's and the gold lies beside them."""
    gold = root / "gold_findings.csv" if root else None
    if source != "openi" or gold is None or not gold.is_file():
        return None
    findings = read_gold(gold).findings
    if findings is None:
        return None
    studies = listing.studies
    reports = [report or "" for report in studies["report"]]
    return Reference(list(studies["study_id"]), reports, findings)
