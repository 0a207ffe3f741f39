"""Checks without which a severity run's test number may mean nothing: leaks, and shortcuts."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from joint.trust.check import TrustCheck
from joint.trust.inputs import TrustInputs
from joint.trust.near_reports import NEAR_SHARE, find_near
from joint.trust.report import check_image_run


def check_trust(
    inputs: TrustInputs, studies: pd.DataFrame, folder: Path | None = None
) -> tuple[TrustCheck, ...]:
    """Run every check on the images and the reports of a run.

    studies: split and text of each. folder: where `joint/trust/report.py` writes its tables.
    """
    return (*check_image_run(inputs, folder), check_reports(studies))


def check_reports(studies: pd.DataFrame) -> TrustCheck:
    """Count test reports that training has as well, and those that it nearly has.

    The same: but for case, numbers and punctuation. Nearly: `near_reports.find_near`.
    """
    said = studies[studies["text"].notna()]
    words = said["text"].map(strip_to_words)
    known = set(words[said["split"] == "train"])
    test = words[said["split"] == "test"]
    repeated = int(test.isin(known).sum())
    near = sum(find_near(list(test), sorted(known)))
    return TrustCheck(
        "Reports apart",
        "warning" if near else "passed",
        f"{near:,} of {len(test):,} test reports are nearly in training too ({NEAR_SHARE:.0%} of"
        f" their phrases shared), {repeated:,} of them the same but for case, numbers and"
        " punctuation",
        "Grading never reads a report, so this is no leak into grades; but retrieval on such"
        " reports is easier, and stock sentences count for more.",
    )


def strip_to_words(text: str) -> str:
    """Leave the words of a report: no case, number or punctuation, one space between."""
    return " ".join(re.findall(r"[^\W\d_]+", text.casefold()))
