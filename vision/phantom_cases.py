"""Images of a phantom corpus with what is drawn where: what heatmaps are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_cards.phantom.truth import lung_mask, read_image_truth, read_truth, sign_mask
from vision.explanation_scores import Mask

SEVERITY = "severity"
EDEMA_SIGNS = ("vascular", "interstitial", "alveolar")
TARGET_SIGNS = {
    SEVERITY: EDEMA_SIGNS,
    "Edema": EDEMA_SIGNS,
    "Lung Opacity": ("alveolar", "opacity", "atelectasis"),
    "Consolidation": ("opacity",),
    "Atelectasis": ("atelectasis",),
    "Pleural Effusion": ("effusion",),
    "Pneumothorax": ("pneumothorax",),
    "Lung Lesion": ("nodule",),
    "Fracture": ("fracture",),
    "Support Devices": ("device",),
}
"""The signs that a target's heatmap should point at; a large heart has no mask in the phantom."""


class PhantomCase(NamedTuple):
    """A frontal image on which the target is there: `sign` and `lungs` are masks [h, w]."""

    path: Path
    patient: str
    sign: Mask
    lungs: Mask


def list_targets(findings: Sequence[str]) -> list[str]:
    """Name what can be checked for a grader of these findings: severity first."""
    return [SEVERITY, *(name for name in findings if name in TARGET_SIGNS)]


def draw_cases(
    root: Path, target: str, *, split: str, images: int, rng: np.random.Generator
) -> list[PhantomCase]:
    """Draw up to `images` frontal images of a split that show the target's signs.

    For severity these are images of grade 1 and above. Raises CorpusError where the phantom's
    truth can't be read; an empty list says that no image shows the target.
    """
    table = _list_frontal(root, target, split=split, present=True)
    cases: list[PhantomCase] = []
    for number in rng.permutation(len(table)):
        if len(cases) == images:
            break
        case = _read_case(root, table.iloc[number], TARGET_SIGNS[target])
        if case.sign.any():
            cases.append(case)
    return cases


def draw_replacements(
    root: Path, target: str, *, split: str, images: int, rng: np.random.Generator
) -> list[Path]:
    """Draw `images` files of frontal images without the target, again where there are too few.

    For severity these are images of grade 0. Empty where every image shows the target.
    """
    names = _list_frontal(root, target, split=split, present=False)["image_id"].to_numpy()
    if not names.size:
        return []
    drawn = np.resize(rng.permutation(names), images)
    return [_image_file(root, str(name)) for name in drawn]


def _list_frontal(root: Path, target: str, *, split: str, present: bool) -> pd.DataFrame:
    studies = read_truth(root)
    shown = studies["severity"] > 0 if target == SEVERITY else studies[target] == 1
    wanted = (shown == present) & (studies["split"] == split)
    frontal = read_image_truth(root).query("view != 'LATERAL'")
    chosen = studies.loc[wanted, ["study_id", "patient_id"]]
    return frontal.merge(chosen, on="study_id").sort_values("image_id")


def _image_file(root: Path, image_id: str) -> Path:
    return root / "images" / f"{image_id}.png"


def _read_case(root: Path, row: pd.Series, signs: Sequence[str]) -> PhantomCase:
    name = str(row["image_id"])
    marks = [sign_mask(root, name, sign) for sign in signs]
    return PhantomCase(
        path=_image_file(root, name),
        patient=str(row["patient_id"]),
        sign=np.logical_or.reduce(marks),
        lungs=lung_mask(root, name) > 0,
    )
