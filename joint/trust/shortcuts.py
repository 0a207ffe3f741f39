"""Checks for shortcuts: what metadata, the outside of the lungs, and the lungs alone tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_cards.metadata_baseline import measure_metadata
from data_cards.patient_auc import AucInterval, measure_auc
from joint.trust.check import TrustCheck, Verdict, no_check
from joint.trust.inputs import Masks, Pixels, TrustInputs
from joint.trust.metadata import gather_metadata
from joint.trust.probe import FEWEST_IMAGES, draw_rows, probe_outside
from joint.trust.zones import find_lungs

OCCLUDED_LIMIT = 0.60
"""A class that can be told without lungs, the lower end of the interval above this, is suspect."""
LUNGS_MARGIN = 0.05
MOST_PREDICTED = 2000
IMAGES_AT_ONCE = 64

METADATA, WITHOUT, MODEL, LUNGS = (
    "Metadata alone",
    "Lungs blacked out, learned anew",
    "Lungs blacked out, this model",
    "Lungs alone, this model",
)
WHY_METADATA = (
    "What source, size, view, sex and age give away, a network may read from the image without"
    " looking at the lungs (Zech et al. 2018)."
)
WHY_WITHOUT = (
    "A class that can be told without lungs is told by markers, borders or exposure: by where the"
    " images come from (Maguolo and Nanni 2021; DeGrave et al. 2021)."
)
WHY_MODEL = "A model that grades lungs must fail where there are none."
WHY_LUNGS = "A model that does better without lungs than with lungs alone looks elsewhere."


def check_metadata(inputs: TrustInputs) -> TrustCheck:
    """Tell the classes from metadata alone, and hold that against the model."""
    rows = draw_rows(inputs)
    if len(rows) < FEWEST_IMAGES:
        return no_check(METADATA, f"fewer than {FEWEST_IMAGES} images of known class", WHY_METADATA)
    _, labels = np.unique(inputs.labels[rows], return_inverse=True)
    found = measure_metadata(
        gather_metadata(inputs, rows),
        labels,
        inputs.patients(rows),
        seed=inputs.seed,
        resamples=inputs.resamples,
    )
    if found is None:
        said = "no metadata vary, or a class has too few patients"
        return no_check(METADATA, said, WHY_METADATA)
    model = measure_model(inputs)
    said = f"AUC {found.auc} from {', '.join(found.columns)} ({found.model})"
    if model is not None:
        said += f"; the model {model.value:.3f}"
    is_suspect = found.is_suspect(None if model is None else model.value)
    return TrustCheck(METADATA, "warning" if is_suspect else "passed", said, WHY_METADATA)


def check_outside(inputs: TrustInputs) -> TrustCheck:
    """Learn the classes anew from the outside of the lungs."""
    found = probe_outside(inputs)
    if found is None:
        said = "too few images, or a class of too few patients"
        return no_check(WITHOUT, said, WHY_WITHOUT)
    verdict: Verdict = "warning" if found.low > OCCLUDED_LIMIT else "passed"
    said = (
        f"AUC {found}{_within(inputs)} from the outside of the lungs, of {found.images:,} images;"
        f" suspect is a lower end above {OCCLUDED_LIMIT:.2f}"
    )
    return TrustCheck(WITHOUT, verdict, said, WHY_WITHOUT)


def check_model(inputs: TrustInputs) -> tuple[TrustCheck, TrustCheck]:
    """Ask the model about held-out images without lungs, and about lungs alone."""
    if inputs.predict is None:
        said = "there is no model to be asked about altered images"
        return no_check(MODEL, said, WHY_MODEL), no_check(LUNGS, said, WHY_LUNGS)
    found = _ask_model(inputs, inputs.predict)
    if found is None:
        said = "too few held-out images with a known class"
        return no_check(MODEL, said, WHY_MODEL), no_check(LUNGS, said, WHY_LUNGS)
    is_suspect = found.without.low > OCCLUDED_LIMIT
    place = "a zone that holds any lungs" if inputs.lung_masks is None else "the lungs"
    without = TrustCheck(
        MODEL,
        "warning" if is_suspect else "passed",
        f"AUC {found.without}{_within(inputs)} with {place} black, {found.whole} on whole images;"
        f" suspect is a lower end above {OCCLUDED_LIMIT:.2f}",
        WHY_MODEL,
    )
    gains = found.without.value - found.alone.value > LUNGS_MARGIN
    alone = TrustCheck(
        LUNGS,
        "warning" if is_suspect and gains else "passed",
        f"AUC {found.alone}{_within(inputs)} with all but {place} black, {found.without} without",
        WHY_LUNGS,
    )
    return without, alone


def measure_model(inputs: TrustInputs) -> AucInterval | None:
    """Give the model's AUC on held-out images of known class."""
    if inputs.probabilities is None:
        return None
    known = inputs.labels[inputs.held_out] >= 0
    rows = inputs.held_out[known]
    return _measure(inputs, rows, inputs.probabilities[known], within_views=False)


class _Answers(NamedTuple):
    whole: AucInterval
    without: AucInterval
    alone: AucInterval


def _ask_model(
    inputs: TrustInputs, predict: Callable[[Pixels], NDArray[np.float64]]
) -> _Answers | None:
    rows = inputs.held_out[inputs.labels[inputs.held_out] >= 0]
    if len(rows) > MOST_PREDICTED:
        generator = np.random.default_rng(inputs.seed)
        rows = np.sort(generator.choice(rows, MOST_PREDICTED, replace=False))
    answers: list[list[NDArray[np.float64]]] = [[], [], []]
    for start in range(0, len(rows), IMAGES_AT_ONCE):
        some = rows[start : start + IMAGES_AT_ONCE]
        pixels = inputs.pixels(some)
        hidden, lungs = find_lungs(inputs, some, pixels)
        for said, shown in zip(
            answers, (pixels, _black(pixels, hidden), _black(pixels, ~lungs)), strict=True
        ):
            said.append(predict(shown))
    found = [
        _measure(inputs, rows, np.concatenate(said), within_views=True) if said else None
        for said in answers
    ]
    whole, without, alone = found
    if whole is None or without is None or alone is None:
        return None
    return _Answers(whole, without, alone)


def _black(pixels: Pixels, where: Masks) -> Pixels:
    return np.where(where, np.uint8(0), pixels)


def _measure(
    inputs: TrustInputs,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    within_views: bool,
) -> AucInterval | None:
    """Measure the AUC of the classes that occur; None where fewer than two do."""
    present, labels = np.unique(inputs.labels[rows], return_inverse=True)
    if len(present) < 2:
        return None
    return measure_auc(
        probabilities[:, present],
        labels,
        inputs.patients(rows),
        strata=inputs.views(rows) if within_views else None,
        seed=inputs.seed,
        resamples=inputs.resamples,
    )


def _within(inputs: TrustInputs) -> str:
    views = inputs.rows["view"].nunique()
    return " within a view" if views > 1 else ""
