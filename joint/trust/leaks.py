"""Checks for patients and files that are on both sides of a split."""

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


def check_files(rows: pd.DataFrame) -> TrustCheck:
    """Look for held-out images whose file is in training too; rows: sha256 and split."""
    known = set(rows.loc[rows["split"] == "train", "sha256"].dropna())
    held_out = rows.loc[rows["split"] != "train", "sha256"]
    repeated = int(held_out.isin(known).sum())
    return TrustCheck(
        "Images apart",
        "error" if repeated else "passed",
        f"{repeated:,} of {len(held_out):,} validation and test images are training images, byte"
        " for byte",
        "Collections are repackaged; the same image under another name is still the same.",
    )
