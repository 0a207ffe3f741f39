"""Noise with known truth: labeling functions of planted confusion, and a planted shortcut."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import SEVERITY_LEVELS
from data_cards.label_table import SEVERITY_PROBABILITY_COLUMNS
from joint.benchmark.settings import LABELERS
from joint.targets import severity_targets
from text_labeler.label_model import LabelModelFit, LabelModelSettings, fit_label_model
from vision.uncertain_labels import Targets

Votes = NDArray[np.int8]
Floats = NDArray[np.float64]

ERROR_WEIGHTS = {-3: 0.05, -2: 0.2, -1: 1.0, 1: 0.7, 2: 0.2, 3: 0.05}
"""How errors fall by vote − grade: mostly next door, and rather too low than too high."""


PSEUDO_COUNT = 20.0
"""Of the label model: few votes on few reports; on simulated votes 20 lost least log-likelihood."""


def planted_confusion(noise_rate: float) -> Floats:
    """Give P(vote | grade) [4, 4] of a labeling function that errs at this rate in every grade."""
    levels = np.arange(SEVERITY_LEVELS)
    errors = np.array([[ERROR_WEIGHTS.get(int(v - y), 0.0) for v in levels] for y in levels])
    confusion: Floats = noise_rate * errors / errors.sum(axis=1, keepdims=True)
    return confusion + (1 - noise_rate) * np.eye(SEVERITY_LEVELS)


def cast_votes(grades: NDArray[np.int64], noise_rate: float, *, seed: int) -> Votes:
    """Let three independent labeling functions read the grades: votes [studies, 3].

    The same seed gives errors of a lower rate at (nearly) a part of the places of a higher one.
    """
    generator = np.random.default_rng((seed, 0xE))
    confusion = planted_confusion(noise_rate)
    draws = generator.random((len(grades), LABELERS))
    errs = draws < noise_rate
    wrong = confusion * (1 - np.eye(SEVERITY_LEVELS))
    shares = np.divide(wrong, noise_rate, out=np.zeros_like(wrong), where=noise_rate > 0)
    places = generator.random((len(grades), LABELERS))
    beyond = shares.cumsum(axis=1)[grades]
    chosen = (places[:, :, None] >= beyond[:, None, :]).sum(axis=2).clip(max=SEVERITY_LEVELS - 1)
    votes: Votes = np.where(errs, chosen, grades[:, None]).astype(np.int8)
    return votes


def teach_grades(grades: NDArray[np.integer], known: NDArray[np.bool_]) -> Targets:
    """Give hard targets, through the table that a run's labels come in."""
    column = pd.array(grades.astype(np.int64), dtype="Int8")
    column[~known] = pd.NA
    return severity_targets(pd.DataFrame({"edema_severity": column}))


def teach_votes(
    votes: Votes, known: NDArray[np.bool_], *, seed: int
) -> tuple[Targets, LabelModelFit]:
    """Combine the votes of the known studies into soft targets by the label model."""
    settings = LabelModelSettings(
        classes=SEVERITY_LEVELS, confusion="by_offset", pseudo_count=PSEUDO_COUNT, seed=seed
    )
    fit = fit_label_model(votes[known], settings)
    soft = np.full((len(votes), SEVERITY_LEVELS), np.nan)
    soft[known] = fit.probabilities
    table = pd.DataFrame(soft, columns=list(SEVERITY_PROBABILITY_COLUMNS))
    table["edema_severity"] = pd.array([pd.NA] * len(votes), dtype="Int8")
    return severity_targets(table), fit


def draw_graded(candidates: NDArray[np.int64], count: int, *, seed: int) -> NDArray[np.int64]:
    """Draw which reports were graded; a larger count holds every report of a smaller one."""
    order = np.random.default_rng((seed, 0x1ABE1)).permutation(candidates)
    return np.sort(order[:count])


def plant_shortcut(
    has_device: NDArray[np.bool_], has_edema: NDArray[np.bool_], share: float, *, seed: int
) -> NDArray[np.bool_]:
    """Choose studies [n] so that in `share` of them device and edema go together.

    Nobody is redrawn: studies of the kind that is too frequent are left out at random.
    share 0.5 is no association, below it is the flipped one.
    """
    goes_together = has_device == has_edema
    together, apart = np.flatnonzero(goes_together), np.flatnonzero(~goes_together)
    generator = np.random.default_rng((seed, 0x5C))
    kept_apart = min(len(apart), round(len(together) * (1 - share) / share))
    kept_together = min(len(together), round(kept_apart * share / (1 - share)))
    chosen = np.zeros(len(has_device), bool)
    chosen[generator.permutation(together)[:kept_together]] = True
    chosen[generator.permutation(apart)[:kept_apart]] = True
    return chosen
