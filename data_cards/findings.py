"""The names and codes of findings and severity that every room and every table uses."""

from __future__ import annotations

from enum import IntEnum

CHEXPERT_OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""The 14 observations of CheXpert (Irvin et al. 2019), in the order of its files."""

PARENTS: dict[str, str | None] = {
    "Emphysema": None,
    "Fibrosis": "Lung Opacity",
    "Nodule": "Lung Lesion",
    "Mass": "Lung Lesion",
    "Granuloma": "Lung Lesion",
    "Infiltration": "Lung Opacity",
    "Hyperinflation": None,
    "Vascular Congestion": "Edema",
    "Heart Failure": "Edema",
    "Pleural Thickening": "Pleural Other",
    "Hernia": None,
    "Pneumoperitoneum": None,
    "Rib Fracture": "Fracture",
    "Scoliosis": None,
    "Degenerative Change": None,
    "Endotracheal Tube": "Support Devices",
    "Nasogastric Tube": "Support Devices",
    "Central Line": "Support Devices",
    "PICC": "Support Devices",
    "Chest Tube": "Support Devices",
    "Pacemaker": "Support Devices",
    "Sternotomy Wires": "Support Devices",
}
"""The finer findings, and the CheXpert observation that each is a kind of (None: of none).

A parent says where to look a finding up; whether the finding also counts for it is for a labeler's
profile to say (to ChestX-ray14, congestion is no edema).
"""

EXTENDED_FINDINGS = tuple(PARENTS)
"""What ChestX-ray14 (Wang et al. 2017) names beyond CheXpert's observations, and what else
researchers ask for: chronic and bony findings, and devices by kind."""

FINDINGS = CHEXPERT_OBSERVATIONS + EXTENDED_FINDINGS

CHESTXRAY14_TO_FINDING = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Effusion": "Pleural Effusion",
    "Infiltration": "Infiltration",
    "Mass": "Mass",
    "Nodule": "Nodule",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
    "Consolidation": "Consolidation",
    "Edema": "Edema",
    "Emphysema": "Emphysema",
    "Fibrosis": "Fibrosis",
    "Pleural_Thickening": "Pleural Thickening",
    "Hernia": "Hernia",
    "normal": "No Finding",
}
"""ChestX-ray14's column names (and OpenI gold's `normal`) to the finding names used here."""

SEVERITY_NAMES = ("none", "vascular congestion", "interstitial edema", "alveolar edema")
"""Pulmonary edema severity 0 to 3 (Horng, Liao et al. 2021)."""

SEVERITY_LEVELS = len(SEVERITY_NAMES)


SEVERITY_CHANGES = ("new", "worse", "unchanged", "better", "resolved")
"""How pulmonary edema may stand against the prior study."""


class LabelCode(IntEnum):
    """CheXpert's and MIMIC-CXR's codes; a finding that is not mentioned has no code (null)."""

    UNCERTAIN = -1
    NEGATIVE = 0
    POSITIVE = 1
