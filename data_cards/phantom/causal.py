"""The causal graph of the phantom: fluid over time, the signs it drives, and the nuisances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from data_cards.phantom.raster import LEFT, RIGHT

LEVEL_CUTS = (0.43, 0.66, 0.91)
"""Fluid at which severity 1, 2 and 3 begin: about the prior of MIMIC-CXR's training labels."""

LATENTS = ("fluid", "heart", "effusion", "acuity", "opacity", "atelectasis")
FLUID_LOADING = np.array([1.0, 0.45, 0.5, 0.4, 0.1, 0.25])
"""Correlation of each latent with fluid; what is left is its own."""
PERSISTENCE = np.array([0.6, 0.95, 0.7, 0.6, 0.3, 0.4])
"""Correlation of each latent with itself one study earlier."""

STUDIES_PER_PATIENT = (0.45, 0.2, 0.13, 0.1, 0.07, 0.05)
SPLIT_PER_TEN_PATIENTS = {"train": 7, "validate": 1, "test": 2}
SIGN_WIDTH = 0.06
SIGN_SCATTER = 0.5
LUNG_ZONES = ("upper", "mid", "lower")


class Stream(IntEnum):
    """What a random stream is for; each has its own seed, so none disturbs another."""

    PLAN = 0
    PATIENT = 1
    STUDY = 2
    IMAGE = 3
    REPORT = 4
    SPLIT = 5
    VESSELS = 6


@dataclass(frozen=True)
class Build:
    """Body of one patient, the same in all of their studies (body units)."""

    width: float
    height: float
    dome: float
    scoliosis: float
    rib_spacing: float
    rib_phase: float
    rib_density: float
    thickness: float
    breasts: float
    markings: float
    vessels: float
    aeration: float
    vessel_seed: int


@dataclass(frozen=True)
class Place:
    """Where a focal finding lies: the patient's side, the zone, and its strength or size."""

    side: int
    zone: str
    strength: float


@dataclass(frozen=True)
class StudyState:
    """Everything that is true of one study before it is drawn and before it is read."""

    number: int
    views: tuple[str, ...]
    acquired: str
    age: int
    fluid: float
    vascular: float
    interstitial: float
    alveolar: float
    heart_ratio: float
    inspiration: float
    effusions: dict[int, float]
    devices: tuple[str, ...]
    opacity: Place | None
    atelectasis: Place | None
    pneumothorax: Place | None
    nodule: Place | None
    fracture: Place | None

    @property
    def severity(self) -> int:
        """The true grade of the image, 0 to 3."""
        return level_of(self.fluid)

    def findings(self) -> dict[str, int]:
        """Return what the images show under CheXpert's names, 0 or 1.

        Edema is severity 1 or more, as CheXpert's phrase list counts vascular congestion.
        """
        shows = {
            "Cardiomegaly": self.heart_ratio > 0.5,
            "Lung Opacity": bool(self.opacity or self.atelectasis) or self.severity == 3,
            "Lung Lesion": self.nodule is not None,
            "Edema": self.severity >= 1,
            "Consolidation": self.opacity is not None,
            "Atelectasis": self.atelectasis is not None,
            "Pneumothorax": self.pneumothorax is not None,
            "Pleural Effusion": bool(self.effusions),
            "Fracture": self.fracture is not None,
        }
        return {
            "No Finding": int(not any(shows.values())),
            **{name: int(shown) for name, shown in shows.items()},
            "Support Devices": int(bool(self.devices)),
        }


@dataclass(frozen=True)
class Patient:
    """One patient: who they are, how they are built, and their studies in time."""

    index: int
    split: str
    sex: str
    build: Build
    studies: tuple[StudyState, ...] = field(repr=False)


def stream(seed: int, purpose: Stream, *numbers: int) -> np.random.Generator:
    """Return the generator of one purpose, independent of every other purpose and number."""
    return np.random.default_rng([seed, int(purpose), *numbers])


def level_of(fluid: float) -> int:
    """Return the severity 0 to 3 of a fluid value in (0, 1)."""
    return sum(fluid >= cut for cut in LEVEL_CUTS)


def plan_patients(seed: int, studies: int) -> list[int]:
    """Return how many studies each patient has; the last is cut so that the sum is `studies`."""
    rng = stream(seed, Stream.PLAN)
    counts: list[int] = []
    left = studies
    while left > 0:
        draws = rng.choice(len(STUDIES_PER_PATIENT), size=1024, p=STUDIES_PER_PATIENT) + 1
        for draw in draws:
            if left <= 0:
                break
            counts.append(min(int(draw), left))
            left -= counts[-1]
    return counts


def split_of(seed: int, patient: int) -> str:
    """Return the official split of a patient: 7, 1 and 2 of each ten, shuffled."""
    block, place = divmod(patient, sum(SPLIT_PER_TEN_PATIENTS.values()))
    names = np.repeat(list(SPLIT_PER_TEN_PATIENTS), list(SPLIT_PER_TEN_PATIENTS.values()))
    return str(stream(seed, Stream.SPLIT, block).permutation(names)[place])


def make_patient(seed: int, index: int, first_study: int, studies: int) -> Patient:
    """Draw one patient whose studies are numbered from `first_study`."""
    rng = stream(seed, Stream.PATIENT, index)
    sex = "F" if rng.random() < 0.5 else "M"
    build = Build(
        width=rng.normal(0.79, 0.035) * (0.97 if sex == "F" else 1.0),
        height=rng.normal(1.0, 0.045),
        dome=rng.normal(0.0, 0.02),
        scoliosis=rng.normal(0, 0.02),
        rib_spacing=rng.normal(0.148, 0.006),
        rib_phase=rng.random(),
        rib_density=float(np.clip(rng.normal(1, 0.25), 0.4, 1.7)),
        thickness=float(np.clip(rng.normal(1, 0.1), 0.75, 1.3)),
        breasts=max(0.0, rng.normal(0.8, 0.4)) if sex == "F" else 0.0,
        markings=float(np.exp(rng.normal(0.0, 0.55))),
        vessels=float(np.exp(rng.normal(0, 0.25))),
        aeration=float(np.clip(rng.normal(1, 0.13), 0.7, 1.3)),
        vessel_seed=int(rng.integers(2**31)),
    )
    age = float(np.clip(rng.normal(62, 17), 18, 97))
    day = date(2110, 1, 1) + timedelta(days=int(rng.integers(30_000)))
    latents = _latents(rng, max(len(STUDIES_PER_PATIENT), studies))
    states = []
    for k in range(studies):
        number = first_study + k
        study_rng = stream(seed, Stream.STUDY, number)
        states.append(_study(study_rng, number, latents[k], day, int(age)))
        gap_days = 1 + int(study_rng.exponential(40))
        day, age = day + timedelta(days=gap_days), age + gap_days / 365.25
    return Patient(index, split_of(seed, index), sex, build, tuple(states))


def _latents(rng: np.random.Generator, studies: int) -> npt.NDArray[np.float64]:
    """Standard normal latents [studies, 6], first-order autoregressive over a patient's studies."""
    own = rng.standard_normal((studies, len(LATENTS)))
    for k in range(1, studies):
        own[k] = PERSISTENCE * own[k - 1] + np.sqrt(1 - PERSISTENCE**2) * own[k]
    latents: npt.NDArray[np.float64] = (
        FLUID_LOADING * own[:, :1] + np.sqrt(1 - FLUID_LOADING**2) * own
    )
    return latents


def _study(
    rng: np.random.Generator, number: int, latent: npt.NDArray[np.float64], day: date, age: int
) -> StudyState:
    _, heart, effusion, acuity, opacity, atelectasis = map(float, latent)
    fluid = float(ndtr(latent[0]))
    strengths = [
        float(np.exp(rng.normal(0, SIGN_SCATTER)) / (1 + math.exp(-(fluid - cut) / SIGN_WIDTH)))
        for cut in LEVEL_CUTS
    ]
    is_ap = acuity > rng.normal(0.1, 0.5)
    return StudyState(
        number=number,
        views=_views(rng, is_ap),
        acquired=day.isoformat(),
        age=age,
        fluid=fluid,
        vascular=strengths[0],
        interstitial=strengths[1],
        alveolar=strengths[2],
        heart_ratio=float(np.clip(0.475 + 0.055 * heart, 0.36, 0.72)),
        inspiration=float(np.clip(rng.normal(-0.45 if is_ap else 0.35, 0.5), -1.3, 1.2)),
        effusions=_effusions(rng, effusion),
        devices=_devices(rng, acuity, is_ap),
        opacity=_place(rng, opacity > 1.05, ((0.2, 0.25, 0.55), (0.7, 1.3))),
        atelectasis=_place(rng, atelectasis > 0.9, ((0, 0.15, 0.85), (0.6, 1.3))),
        pneumothorax=_place(rng, rng.random() < (0.05 if is_ap else 0.02), ((1, 0, 0), (0.5, 1.6))),
        nodule=_place(rng, rng.random() < 0.04, ((0.35, 0.35, 0.3), (0.7, 1.5))),
        fracture=_place(rng, rng.random() < 0.03, ((0.1, 0.6, 0.3), (0.8, 1.2))),
    )


def _views(rng: np.random.Generator, is_ap: bool) -> tuple[str, ...]:
    draw = rng.random()
    if is_ap:
        return ("AP", "AP") if draw < 0.2 else ("AP",)
    if draw < 0.55:
        return ("PA", "LATERAL")
    return ("PA", "PA") if draw < 0.6 else ("PA",)


def _effusions(rng: np.random.Generator, latent: float) -> dict[int, float]:
    """Return the height of fluid per side, about 0.1 (blunted angle) to 1 (large)."""
    height = float(np.clip(0.2 + 0.45 * (latent - 0.7) * math.exp(rng.normal(0, 0.3)), 0.1, 1.0))
    both, right, other = rng.random() < 0.55, rng.random() < 0.58, rng.uniform(0.5, 0.9)
    if latent <= 0.7:
        return {}
    side = RIGHT if right else LEFT
    return {side: height, -side: max(0.1, height * other)} if both else {side: height}


def _devices(rng: np.random.Generator, acuity: float, is_ap: bool) -> tuple[str, ...]:
    odds = {
        "endotracheal tube": acuity - 1.3 if is_ap else -9.0,
        "enteric tube": acuity - 1.2 if is_ap else -9.0,
        "central line": acuity - 0.8 if is_ap else acuity - 2.2,
        "pacemaker": -1.45,
        "leads": 0.1 + 0.4 * acuity if is_ap else -1.9,
        "sternotomy wires": -1.35,
    }
    draws = rng.standard_normal(len(odds))
    return tuple(name for (name, odd), draw in zip(odds.items(), draws, strict=True) if draw < odd)


def _place(
    rng: np.random.Generator,
    is_there: bool,
    law: tuple[Sequence[float], tuple[float, float]],
) -> Place | None:
    """Draw a place from zone odds and a strength range; the draws are made in any case."""
    side = RIGHT if rng.random() < 0.55 else LEFT
    zone, strength = LUNG_ZONES[int(rng.choice(3, p=law[0]))], rng.uniform(*law[1])
    return Place(side, zone, float(strength)) if is_there else None
