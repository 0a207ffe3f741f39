"""Noise channel R and slips: what the reporter sees of a study, which is not what is there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from data_cards.phantom.causal import (
    LEVEL_CUTS,
    LUNG_ZONES,
    Place,
    Stream,
    StudyState,
    level_of,
    stream,
)
from data_cards.phantom.raster import LEFT, RIGHT
from data_cards.phantom.settings import PhantomSettings

PREVALENCE = {
    "Cardiomegaly": 0.32,
    "Pleural Effusion": 0.24,
    "Consolidation": 0.15,
    "Atelectasis": 0.18,
    "Pneumothorax": 0.03,
    "Lung Lesion": 0.04,
    "Fracture": 0.03,
}
"""About how often each finding is drawn: inventions are as frequent as omissions are."""

SMALL, LARGE = 0.27, 0.6


@dataclass(frozen=True)
class Seen:
    """One finding as the reporter sees it; `size` is 0 to about 1, `sides` the patient's."""

    certain: bool
    sides: tuple[int, ...]
    zone: str
    size: float


@dataclass(frozen=True)
class Perception:
    """What the reporter sees: fluid f′, and every finding believed present."""

    fluid: float
    findings: dict[str, Seen]
    devices: tuple[str, ...]

    @property
    def severity(self) -> int:
        """The grade that the reporter would give, 0 to 3."""
        return level_of(self.fluid)

    @property
    def is_borderline(self) -> bool:
        """Whether f′ lies so close to a cut that a reporter would waver."""
        return min(abs(self.fluid - cut) for cut in LEVEL_CUTS) < 0.05


def perceive(settings: PhantomSettings, state: StudyState) -> Perception:
    """Look at a study: f′ = Φ(Φ⁻¹(f) + bias + σ·N), and slips per finding.

    The same draws are made whatever the settings, so two corpora that differ in a noise setting
    differ by that noise only.
    """
    rng = stream(settings.seed, Stream.REPORT, state.number, 0)
    probit = float(ndtri(np.clip(state.fluid, 1e-9, 1 - 1e-9)))
    probit += settings.perception_bias + settings.perception_sigma * rng.standard_normal()
    places = _places(state)
    seen = {}
    for finding, prevalence in PREVALENCE.items():
        slip, doubt, where, size = rng.random(4)
        there = places.get(finding)
        if there is None:
            if slip < settings.slip_rate * prevalence / (1 - prevalence):
                side = RIGHT if where < 0.5 else LEFT
                zone = LUNG_ZONES[int(3 * size)]
                seen[finding] = Seen(doubt < 0.5, (side,), zone, 0.1 + 0.2 * size)
        elif slip >= settings.slip_rate:
            sides, zone, strength = there
            unsure = 0.13 + 0.35 * math.exp(-3 * strength)
            seen[finding] = Seen(doubt >= unsure, sides, zone, strength)
    missed = rng.random(8)
    devices = tuple(
        name
        for name, draw in zip(state.devices, missed, strict=False)
        if draw >= settings.slip_rate
    )
    return Perception(float(ndtr(probit)), seen, devices)


def _places(state: StudyState) -> dict[str, tuple[tuple[int, ...], str, float]]:
    """Sides, zone, and size (0 to about 1) of everything that is drawn."""
    places: dict[str, tuple[tuple[int, ...], str, float]] = {}
    if state.heart_ratio > 0.5:
        places["Cardiomegaly"] = ((), "lower", (state.heart_ratio - 0.5) * 8)
    if state.effusions:
        largest = max(state.effusions, key=lambda side: state.effusions[side])
        sides = (largest, *(side for side in state.effusions if side != largest))
        places["Pleural Effusion"] = (sides, "lower", state.effusions[largest])
    focal: dict[str, Place | None] = {
        "Consolidation": state.opacity,
        "Atelectasis": state.atelectasis,
        "Pneumothorax": state.pneumothorax,
        "Lung Lesion": state.nodule,
        "Fracture": state.fracture,
    }
    for finding, place in focal.items():
        if place:
            places[finding] = ((place.side,), place.zone, place.strength / 1.6)
    return places
