"""Grades and findings asked for by words alone: how close an image is to written prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from configs.files import hash_json
from configs.settings import Settings, load_settings
from data_cards.findings import FINDINGS
from joint.evaluation.closeness import Closeness, closeness

PROMPTS_FILE = Path(__file__).parents[1] / "templates" / "prompts.yaml"

FloatArray = NDArray[np.float64]
Ensemble = Annotated[tuple[str, ...], Field(min_length=1)]


class FindingPrompts(Settings):
    """What a report says where the finding is present, and where it is not."""

    positive: Ensemble
    negative: Ensemble

    @model_validator(mode="after")
    def _check_sides(self) -> FindingPrompts:
        both = set(self.positive) & set(self.negative)
        if both:
            raise ValueError(f"{sorted(both)} stand on both sides")
        return self


class Prompts(Settings):
    """The prompts of every grade, 0 to 3, and of each finding."""

    severity: tuple[Ensemble, Ensemble, Ensemble, Ensemble]
    findings: dict[str, FindingPrompts]

    @model_validator(mode="after")
    def _check_findings(self) -> Prompts:
        unknown = sorted(set(self.findings) - set(FINDINGS))
        if unknown:
            raise ValueError(f"{unknown}: not findings; known are {', '.join(FINDINGS)}")
        return self

    def classes(self) -> dict[str, Ensemble]:
        """Name every ensemble: `severity 0` to `severity 3`, `<finding> +`, `<finding> −`."""
        grades = {f"severity {level}": texts for level, texts in enumerate(self.severity)}
        sides: dict[str, Ensemble] = {}
        for name, prompts in self.findings.items():
            sides |= {f"{name} +": prompts.positive, f"{name} −": prompts.negative}
        return grades | sides

    @property
    def content_hash(self) -> str:
        """SHA-256 of every prompt."""
        return hash_json(self.model_dump(mode="json"))


@dataclass(frozen=True)
class ZeroShot:
    """Scores by prompts: severity [images, 4], rows sum to one; findings: 0 to 1, [images] each."""

    severity: FloatArray
    findings: Mapping[str, FloatArray]


def read_prompts(path: Path = PROMPTS_FILE) -> Prompts:
    """Read the prompts; raises SettingsError naming the file, the key and what was expected."""
    return load_settings(Prompts, path)


def score_by_prompts(
    images: FloatArray,
    prompts: Mapping[str, FloatArray],
    findings: Sequence[str],
    *,
    scale: float,
    measure: Closeness = "product",
) -> ZeroShot:
    """Compare image embeddings with those of prompts; CLIP's zero-shot (Radford et al. 2021).

    images: [images, width]; prompts: by the names of `Prompts.classes`, [width] each (see
    `average_prompts`); scale: the inverse temperature that was learned. A grade's probability is
    the softmax over the four grades; a finding's the sigmoid of how much closer its positive
    prompts are than its negative ones. Both rank images; neither is calibrated. Findings without
    prompts are left out.
    """
    grades = np.stack([prompts[f"severity {level}"] for level in range(4)])
    logits = scale * closeness(images, grades, measure)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = {}
    for name in findings:
        if f"{name} +" in prompts:
            sides = np.stack([prompts[f"{name} +"], prompts[f"{name} −"]])
            gap = scale * closeness(images, sides, measure) @ (1.0, -1.0)
            chances[name] = 1 / (1 + np.exp(-np.clip(gap, -500, 500)))
    return ZeroShot(odds / odds.sum(axis=1, keepdims=True), chances)


def average_prompts(embeddings: FloatArray, *, unit_length: bool) -> FloatArray:
    """Average the prompts of one class: [prompts, width] to [width], of length one if asked."""
    mean: FloatArray = embeddings.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12) if unit_length else mean
