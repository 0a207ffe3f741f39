"""What a run is worth in parts of the test set: by sex, age, view, and devices in the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.study import Listing
from vision.intervals import Interval, severity_intervals
from vision.metrics import MetricsError, severity_metrics

FEWEST_IMAGES = 30
"""A smaller group is shown as too small: its numbers would be read as if they meant something."""

FEWEST_PER_SIDE = 50
LARGEST_GAP = 0.05
"""Groups whose AUC differ by more, with intervals apart and this many graded above 0, are named."""

METRICS = ("auc_0v123", "mean_absolute_error", "accuracy")
NOT_KNOWN = "not known"
AGE_BANDS = ((18, "under 18"), (40, "18–39"), (60, "40–59"), (80, "60–79"), (np.inf, "80 and over"))
DEVICES: Mapping[float, str] = {1.0: "present", 0.0: "absent", -1.0: "uncertain"}


@dataclass(frozen=True)
class Subgroup:
    """One part of the test set: `attribute` is `value` there, such as view: AP.

    above_none: how many images are graded above 0 by the reference. metrics: those of METRICS,
    an interval where the sample allows one; empty where the group is too small.
    """

    attribute: str
    value: str
    images: int
    patients: int
    above_none: int
    metrics: Mapping[str, Interval | float | None]

    @property
    def is_too_small(self) -> bool:
        """Whether fewer than 30 images are in it."""
        return self.images < FEWEST_IMAGES


def read_attributes(
    images: pd.DataFrame, listing: Listing, devices: Mapping[str, float]
) -> pd.DataFrame:
    """Give sex, age band, view and device of each image, in words; "not known" where so.

    images: study_id and image (its number in the study). devices: by study id the label of
    Support Devices; a study not in it has none. An attribute that no image has is left out.
    """
    wanted = set(images["study_id"])
    facts = {
        study["study_id"]: study
        for study in listing.studies.select_columns(["study_id", "sex", "age", "images"])
        if study["study_id"] in wanted
    }
    rows = []
    for name, number in zip(images["study_id"], images["image"], strict=True):
        study = facts[name]
        view = study["images"][number]["view"]
        rows.append(
            {
                "sex": study["sex"] or NOT_KNOWN,
                "age": name_age_band(study["age"]),
                "view": view.upper() if view else NOT_KNOWN,
                "support devices": DEVICES.get(devices.get(name, np.nan), "not mentioned"),
            }
        )
    table = pd.DataFrame(rows, index=images.index)
    if not devices:
        table = table.drop(columns="support devices")
    return table.loc[:, (table != NOT_KNOWN).any()]


def name_age_band(age: float | None) -> str:
    """Name the band of an age in years."""
    if age is None or np.isnan(age):
        return NOT_KNOWN
    return next(name for end, name in AGE_BANDS if age < end)


def measure_subgroups(
    probabilities: NDArray[np.float64],
    levels: NDArray[np.int64],
    patients: Sequence[str],
    attributes: pd.DataFrame,
    *,
    seed: int,
    resamples: int = 1000,
) -> list[Subgroup]:
    """Measure every value of every attribute on its own images.

    probabilities: [n, 4]; levels: reference grades [n]; attributes: one row per image, one
    column per attribute. Raises MetricsError for other numbers of rows.
    """
    if not len(probabilities) == len(levels) == len(patients) == len(attributes):
        raise MetricsError(
            f"{len(probabilities)} images, {len(levels)} grades, {len(patients)} patients,"
            f" {len(attributes)} rows of attributes"
        )
    owners = np.array(patients, dtype=object)
    groups = []
    for attribute in attributes:
        values = attributes[attribute].to_numpy()
        for value in sorted(set(values)):
            inside = values == value
            metrics: Mapping[str, Interval | float | None] = {}
            if inside.sum() >= FEWEST_IMAGES:
                metrics = _measure(
                    probabilities[inside],
                    levels[inside],
                    owners[inside].tolist(),
                    seed=seed,
                    resamples=resamples,
                )
            groups.append(
                Subgroup(
                    str(attribute),
                    str(value),
                    int(inside.sum()),
                    len(set(owners[inside])),
                    int((levels[inside] > 0).sum()),
                    metrics,
                )
            )
    return groups


def find_gaps(groups: Sequence[Subgroup]) -> list[tuple[Subgroup, Subgroup]]:
    """Name pairs of one attribute whose AUC differ by over 0.05 with intervals apart, worse first.

    Only groups with at least 50 images graded above 0 are held against each other.
    """
    gaps = []
    for _, found in groupby(groups, key=lambda group: group.attribute):
        large = [group for group in found if group.above_none >= FEWEST_PER_SIDE]
        for pair in combinations(large, 2):
            ends = [group.metrics.get("auc_0v123") for group in pair]
            first, second = ends
            if not (isinstance(first, Interval) and isinstance(second, Interval)):
                continue
            worse, better = (0, 1) if first.value < second.value else (1, 0)
            low, high = (first, second) if worse == 0 else (second, first)
            if high.value - low.value > LARGEST_GAP and low.high < high.low:
                gaps.append((pair[worse], pair[better]))
    return gaps


def _measure(
    probabilities: NDArray[np.float64],
    levels: NDArray[np.int64],
    patients: list[str],
    *,
    seed: int,
    resamples: int,
) -> dict[str, Interval | float | None]:
    points = severity_metrics(probabilities, levels)
    intervals = severity_intervals(probabilities, levels, patients, seed=seed, resamples=resamples)
    return {name: intervals[name] or points[name] for name in METRICS}
