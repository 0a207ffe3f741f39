"""Which images a grader should not even look at, and why: by the header, then by the pixels.

The header says view, age and body part, where there is one. The pixels are compared with the
mean frontal and lateral chest of the phantom corpus (`vision/chest_templates.py`), moved and
scaled over the image, by normalised cross-correlation. Whether a child is on the image cannot be
seen this way. An image that passes may still be unlike the training images: a grader's
`AbstentionRule` says that from its embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from configs.settings import Settings
from vision.chest_templates import TEMPLATE_SIDE, frontal_template, lateral_template
from vision.xray_image import COLOUR_NOTE, NOT_A_RADIOGRAPH_NOTE, XrayImage

LATERAL_VIEWS = frozenset({"LL", "RL", "LLD", "RLD", "LATERAL", "LAT"})

SAMPLE_SIDE = 256
LOOK_SIDE = 64
"""Longer side at which an image is looked at, after block averages of at least 256 samples."""

TEMPLATE_SCALES = (25, 30, 36)
"""Heights and widths that the whole image gets before the template is moved over it."""

STRETCH_PERCENTILES = (1, 99)
EXTREME_MARGIN = 0.02
LEAST_SPREAD = 0.03
"""A window with a smaller standard deviation than this share of the range has no layout."""

Grey = NDArray[np.float64]


class GateSettings(Settings):
    """Limits of the gate; each was set so that hardly any real frontal X-ray is refused.

    refuse_header: believe the header's view, age and body part. least_layout: smallest match
    (correlation of grey values plus that of their horizontal steps, at most 2) with a frontal
    chest. least_inverse, inverse_margin: an image is inverted when its negative matches by
    more than both. lateral_margin: by how much a lateral must match better than a frontal.
    smallest_detail, largest_detail: the share of the contrast in details finer than a
    sixtieth of the image. largest_extreme: the share of pixels that are pure black or white.
    """

    refuse_header: bool = True
    least_layout: float = Field(default=0.6, le=2)
    least_inverse: float = Field(default=0.45, ge=0, le=1)
    inverse_margin: float = Field(default=0.1, ge=0)
    lateral_margin: float = Field(default=0.15, ge=0)
    smallest_detail: float = Field(default=0.04, ge=0)
    largest_detail: float = Field(default=0.45, le=1)
    largest_extreme: float = Field(default=0.6, le=1)


@dataclass(frozen=True)
class ImageLook:
    """What the gate sees in the pixels; every value is a share or a correlation.

    frontal, inverse, lateral: best correlation of grey values with a frontal chest, of the
    negative with one, and with a lateral chest (facing either side); steps: correlation of
    horizontal grey steps where `frontal` is best. detail, extreme: see GateSettings.
    """

    frontal: float
    inverse: float
    lateral: float
    steps: float
    detail: float
    extreme: float


def find_refusals(image: XrayImage, settings: GateSettings | None = None) -> tuple[str, ...]:
    """Say why an image should not be graded, one sentence for each reason; none to grade it."""
    settings = settings or GateSettings()
    said = _read_header(image) if settings.refuse_header else []
    return (*said, *_judge(look_at(image), settings))


def look_at(image: XrayImage) -> ImageLook:
    """Measure the pixels of an image; a few milliseconds, whatever its size."""
    grey = _reduce(image.pixels)
    low, high = np.percentile(grey, STRETCH_PERCENTILES)
    grey = np.clip((grey - low) / max(high - low, 1e-6), 0.0, 1.0)
    templates = _templates()
    best, worst, window = np.full(len(templates), -1.0), 1.0, np.zeros(2 * (TEMPLATE_SIDE,))
    for height in TEMPLATE_SCALES:
        for width in TEMPLATE_SCALES:
            windows, matches = _match(_resize(grey, height, width), templates)
            place = int(matches[:, 0].argmax())
            if matches[place, 0] > best[0]:
                window = windows[place]
            best = np.maximum(best, matches.max(axis=0))
            worst = min(worst, float(matches[:, 0].min()))
    spread = max(float(grey.std()), 1e-6)
    extreme = (grey <= EXTREME_MARGIN) | (grey >= 1 - EXTREME_MARGIN)
    return ImageLook(
        frontal=float(best[0]),
        inverse=-worst,
        lateral=float(best[1:].max()),
        steps=_correlate(np.diff(window, axis=1), np.diff(frontal_template(), axis=1)),
        detail=float((grey - _blur(grey)).std() / spread),
        extreme=float(extreme.mean()),
    )


def _read_header(image: XrayImage) -> list[str]:
    provenance, reasons = image.provenance, []
    if provenance.view in LATERAL_VIEWS:
        reasons.append(f"The header says that this is a lateral view ({provenance.view}).")
    if provenance.child:
        reasons.append("The header says that the patient is under 18 years old.")
    if provenance.other_body_part:
        reasons.append("The header says that another part of the body than the chest is shown.")
    if any(note.startswith(NOT_A_RADIOGRAPH_NOTE) for note in provenance.warnings):
        reasons.append("The header says that this is not a radiograph.")
    if COLOUR_NOTE in provenance.warnings:
        reasons.append("The image has colours; an X-ray is grey.")
    return reasons


def _judge(look: ImageLook, settings: GateSettings) -> list[str]:
    """Give the first reason that holds: the later ones mean little where an earlier one does."""
    inverse_limit = max(settings.least_inverse, look.frontal + settings.inverse_margin)
    reasons = {
        "Not a chest X-ray: nearly all of its contrast is fine grain or print.": (
            look.detail > settings.largest_detail
        ),
        "Not a chest X-ray: it has no detail.": look.detail < settings.smallest_detail,
        f"Not a chest X-ray: {look.extreme:.0%} of it is pure black or white.": (
            look.extreme > settings.largest_extreme
        ),
        "The image seems to be inverted: its negative looks like a chest, with dark lungs.": (
            look.inverse > inverse_limit
        ),
        "This seems to be a lateral view: it matches one better than a frontal view.": (
            look.lateral > look.frontal + settings.lateral_margin
        ),
        "Not a frontal chest X-ray: no two dark lungs beside a bright spine are found.": (
            look.frontal + look.steps < settings.least_layout
        ),
    }
    return [reason for reason, holds in reasons.items() if holds][:1]


@cache
def _templates() -> Grey:
    """Give unit templates without mean [3, 576]: frontal, lateral, lateral facing right."""
    lateral = lateral_template()
    stacked = np.stack([frontal_template(), lateral, lateral[:, ::-1]]).reshape(3, -1)
    centred = stacked - stacked.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def _match(grey: Grey, templates: Grey) -> tuple[Grey, Grey]:
    """Give every window of the templates' size and its correlation with each: [m, …], [m, 3]."""
    windows = sliding_window_view(grey, (TEMPLATE_SIDE, TEMPLATE_SIDE))
    windows = windows.reshape(-1, TEMPLATE_SIDE, TEMPLATE_SIDE)
    total, squares = _sum_windows(grey), _sum_windows(grey**2)
    pixels = TEMPLATE_SIDE**2
    lengths = np.sqrt(np.maximum(squares - total**2 / pixels, 0.0))[:, None]
    clear = lengths > LEAST_SPREAD * TEMPLATE_SIDE
    # The templates have no mean, so that of the windows need not be taken off.
    products = windows.reshape(-1, pixels) @ templates.T
    return windows, np.where(clear, products / np.maximum(lengths, 1e-9), 0.0)


def _sum_windows(grey: Grey) -> Grey:
    """Sum every window, by differences of a running sum over both sides: [m]."""
    sums = np.pad(grey.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    n = TEMPLATE_SIDE
    return np.asarray(sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]).ravel()


def _correlate(first: Grey, second: Grey) -> float:
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9))


def _reduce(pixels: NDArray[np.float32]) -> Grey:
    """Average down to a longer side of at most 64, from every n-th pixel of a large image."""
    step = max(1, max(pixels.shape) // SAMPLE_SIDE)
    sampled = pixels[::step, ::step]
    scale = min(1.0, LOOK_SIDE / max(sampled.shape))
    height, width = (max(1, round(side * scale)) for side in sampled.shape)
    return _resize(sampled, height, width)


def _resize(grey: NDArray[np.floating], height: int, width: int) -> Grey:
    image = Image.fromarray(np.ascontiguousarray(grey, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX), np.float64)


def _blur(grey: Grey) -> Grey:
    """Smooth with the binomial weights 1 4 6 4 1 along both sides (about one pixel of sigma)."""
    weights = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = np.pad(grey, 2, mode="edge")
    rows = sum(w * padded[k : k + len(grey)] for k, w in enumerate(weights))
    smooth: Grey = sum(w * rows[:, k : k + grey.shape[1]] for k, w in enumerate(weights))
    return smooth
