"""The check for patients that are on both sides of a split."""

from __future__ import annotations

import pandas as pd

from joint.trust.check import TrustCheck


def check_patients(rows: pd.DataFrame) -> TrustCheck:
    """Look for patients in two splits; rows: patient_id and split."""
    splits = rows.groupby("patient_id")["split"].nunique()
    shared = int((splits > 1).sum())
    return TrustCheck(
        "Patients apart",
        "error" if shared else "passed",
        f"{shared:,} of {len(splits):,} patients are in more than one split",
        "A patient in training and test is recognised, not graded.",
    )
