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

EXTENDED_FINDINGS = ("Emphysema", "Fibrosis", "Hernia", "Infiltration", "Mass", "Nodule")
"""What ChestX-ray14 (Wang et al. 2017) names beyond CheXpert's observations."""

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
    "Pleural_Thickening": "Pleural Other",
    "Hernia": "Hernia",
    "normal": "No Finding",
}
"""ChestX-ray14's column names (and OpenI gold's `normal`) to the finding names used here."""

SEVERITY_NAMES = ("none", "vascular congestion", "interstitial edema", "alveolar edema")
"""Pulmonary edema severity 0 to 3 (Horng, Liao et al. 2021)."""

SEVERITY_LEVELS = len(SEVERITY_NAMES)


class LabelCode(IntEnum):
    """CheXpert's and MIMIC-CXR's codes; a finding that is not mentioned has no code (null)."""

    UNCERTAIN = -1
    NEGATIVE = 0
    POSITIVE = 1
