"""Prediction sets: neighbouring grades that hold the true one as often as was asked for.

Split conformal prediction with a set that grows from the most probable grade to whichever
neighbour is more probable, so that it is always a range such as "1 to 2" (ordinal adaptive
prediction sets; Lu, Angelopoulos and Pomerantz 2022). MAPIE's sets may leave gaps.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from configs.settings import Settings
from data_cards.findings import SEVERITY_LEVELS
from vision.intervals import number_patients
from vision.metrics import MetricsError, check_severity
from vision.weighted_metrics import BoolArray, FloatArray, IntArray

FEWEST_IMAGES = 20
STANDARD_NORMAL_95 = 1.959964
SMALLEST_GROUP = 10
"""A group of fewer patients has no row of its own: its interval would say nothing."""

Mass = Annotated[float, Field(ge=0, le=1)]


class ConformalSets(Settings):
    """How far a set grows: a grade is in while those before it have at most `largest_mass`.

    alpha: the share of new patients' images whose true grade may be missed, on average over
    images drawn like the `images` these were set on (one per patient). largest_mass: one limit
    per grade, the same for all unless `per_grade`: then the promise holds among the images of
    each true grade. No promise holds for each subgroup: `coverage_by_group` shows those.
    """

    alpha: float = Field(gt=0, lt=1)
    largest_mass: tuple[Mass, Mass, Mass, Mass]
    per_grade: bool = False
    images: int = Field(ge=FEWEST_IMAGES)

    def apply(self, probabilities: ArrayLike) -> BoolArray:
        """Say which grades are in each set: [n, 4], always a range that is never empty."""
        reached = _mass_before(np.asarray(probabilities, np.float64))
        inside = reached <= np.array(self.largest_mass)
        # Limits that differ may leave a gap; closing it only adds grades, so the promise holds.
        from_below = np.maximum.accumulate(inside, axis=1)
        from_above = np.maximum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(from_below & from_above)


def fit_conformal_sets(
    probabilities: ArrayLike,
    levels: ArrayLike,
    *,
    alpha: float = 0.1,
    per_grade: bool = False,
) -> ConformalSets:
    """Set how far sets must grow to miss at most `alpha` of new images' grades.

    probabilities: [n, 4], calibrated on other images; levels: [n]. Use one image per patient
    (`draw_one_per_patient`), of patients whom neither training nor calibration has seen. The
    coverage is at least 1 - alpha, and at most 1 / (n + 1) more unless the most probable grade
    alone is right more often than that. per_grade keeps the promise for each true grade
    (Vovk 2012), with larger sets; a grade of fewer than 1 / alpha images is then in every set.
    Raises MetricsError for fewer than 20 images.
    """
    p, y = check_severity(probabilities, levels)
    if len(y) < FEWEST_IMAGES:
        raise MetricsError(f"conformal sets: {len(y)} images; expected at least {FEWEST_IMAGES}")
    scores = _mass_before(p)[np.arange(len(y)), y]
    if per_grade:
        limits = [_limit(scores[y == level], alpha) for level in range(SEVERITY_LEVELS)]
    else:
        limits = [_limit(scores, alpha)] * SEVERITY_LEVELS
    first, second, third, fourth = limits
    return ConformalSets(
        alpha=alpha,
        largest_mass=(first, second, third, fourth),
        per_grade=per_grade,
        images=len(y),
    )


def coverage_by_group(
    sets: BoolArray,
    levels: ArrayLike,
    patients: Sequence[Hashable],
    groups: Mapping[str, Sequence[Hashable]],
) -> list[dict[str, str | float | int]]:
    """Tell how often sets hold the true grade: of all images, per true grade, per subgroup.

    sets: [n, 4]; levels: [n]; groups: n values per name, such as {"view": ["AP", "PA", …]}.
    Each row has `group`, `value`, `images`, `patients`, `coverage`, its 95 % Wilson interval
    `low` and `high`, and `mean_size`. The interval counts patients, not images, and so is
    rather too wide than too narrow. Values of fewer than ten patients are left out.
    """
    truth = np.asarray(levels, dtype=np.int64)
    codes = number_patients(patients)
    if not len(sets) == len(truth) == len(codes):
        raise MetricsError(f"{len(sets)} sets, {len(truth)} grades, {len(codes)} patient ids")
    held = sets[np.arange(len(truth)), truth]
    sizes = sets.sum(axis=1)
    everyone = {"all": ["all"] * len(truth), "true grade": [str(level) for level in truth]}
    rows: list[dict[str, str | float | int]] = []
    for group, values in (everyone | dict(groups)).items():
        names = np.array([str(value) for value in values])
        for value in sorted(set(names.tolist())):
            inside = names == value
            count = len(np.unique(codes[inside]))
            if count < SMALLEST_GROUP:
                continue
            coverage = float(held[inside].mean())
            low, high = wilson_interval(coverage, count)
            rows.append(
                {
                    "group": group,
                    "value": value,
                    "images": int(inside.sum()),
                    "patients": count,
                    "coverage": coverage,
                    "low": low,
                    "high": high,
                    "mean_size": float(sizes[inside].mean()),
                }
            )
    return rows


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Give the 95 % interval of a share seen among `count` independent draws (Wilson 1927)."""
    z = STANDARD_NORMAL_95
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return float(centre - half), float(centre + half)


def _limit(scores: FloatArray, alpha: float) -> float:
    rank = int(np.ceil((len(scores) + 1) * (1 - alpha)))
    return float(min(np.sort(scores)[rank - 1], 1.0)) if rank <= len(scores) else 1.0


def _mass_before(probabilities: FloatArray) -> FloatArray:
    """Give the mass that a growing set holds when it reaches each grade: [n, 4]."""
    images = np.arange(len(probabilities))
    walled = np.full((len(probabilities), SEVERITY_LEVELS + 2), -1.0)
    walled[:, 1:-1] = probabilities
    mode: IntArray = np.argmax(probabilities, axis=1)
    low, high = mode.copy(), mode.copy()
    held = probabilities[images, mode].astype(np.float64)
    before = np.zeros_like(probabilities)
    for _ in range(SEVERITY_LEVELS - 1):
        # Column k of `walled` is grade k - 1; the walls on both sides never win.
        below, above = walled[images, low], walled[images, high + 2]
        down = below >= above
        low, high = low - down, high + ~down
        added = np.where(down, low, high)
        before[images, added] = held
        held = held + probabilities[images, added]
    return before
