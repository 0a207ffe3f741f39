"""A corpus of 40 studies of 20 patients for tests: drawn images, and reports with planted words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from data_cards.corpora import Corpus
from data_cards.study import Listing, list_studies

PLANTED_WORD = "Zanzibarine"
PATIENT_PREFIX = "patient-jane-doe"
STUDIES, SIDE = 40, 48
SENTENCES = (
    "No pulmonary edema. Heart size is normal.",
    "Mild pulmonary vascular congestion. Cardiomegaly.",
    "Interstitial pulmonary edema. Cardiomegaly. No pleural effusion.",
    "Severe alveolar pulmonary edema with bilateral pleural effusions.",
)

TINY_CORPUS = Corpus("tiny", "drawn for tests", "tests.joint.tiny_corpus:read_tiny")


def grade_of(study: int) -> int:
    return (study * 7 // 3) % 4


def write_tiny(root: Path) -> Path:
    generator = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    for study in range(STUDIES):
        pixels = generator.integers(0, 60, (SIDE, SIDE)) + 55 * grade_of(study)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"study-{study}.png")
    (root / "study-3.png").write_bytes(b"not an image")
    return root


def read_tiny(root: Path) -> Listing:
    return list_studies("tiny", root, [_study(root, number) for number in range(STUDIES)])


def _study(root, number):
    grade = grade_of(number)
    said = SENTENCES[grade] if number % 4 else "The lungs were imaged. Heart size is normal."
    return {
        "corpus": "tiny",
        "study_id": f"s{number}",
        "patient_id": f"{PATIENT_PREFIX}-{number // 2}",
        "images": [{"path": str(root / f"study-{number}.png"), "view": "PA"}],
        "report": f"HISTORY: {PLANTED_WORD}. FINDINGS: {said} {PLANTED_WORD} again.",
    }
