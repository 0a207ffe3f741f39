"""Images of 160 patients drawn for the trust report's tests: bodies, lungs, faults to plant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from joint.trust.inputs import COLUMNS, TrustInputs

IMAGES, SIDE = 160, 64
LUNG = (slice(16, 46), slice(14, 50))


def draw_chests(labels, *, seed=0):
    """Grey bodies whose lungs are brighter, by noise and more by class: [n, 64, 64]."""
    generator = np.random.default_rng(seed)
    images = 90 + 12 * generator.normal(size=(len(labels), SIDE, SIDE))
    coarse = generator.normal(size=(len(labels), 8, 8)).repeat(8, axis=1).repeat(8, axis=2)
    images += 15 * coarse
    lungs = images[:, *LUNG]
    lungs -= 50 - 22 * labels[:, None, None] - 6 * generator.normal(size=(len(labels), 1, 1))
    return images.clip(20, 220).astype(np.uint8)


def make_inputs(*, pixels=None, classes=("clear", "ill"), rows=None, **more):
    """Inputs of images in two or more classes, half of them in training, without a model."""
    labels = np.random.default_rng(1).integers(0, len(classes), IMAGES)
    images = draw_chests(labels) if pixels is None else pixels(draw_chests(labels), labels)
    facts = {
        "study_id": [f"s{n}" for n in range(IMAGES)],
        "patient_id": [f"p{n // 2}" for n in range(IMAGES)],
        "split": np.repeat(["train", "validate", "test"], [80, 20, 60]),
        "source": "made",
        "view": None,
        "sex": None,
        "age": np.nan,
        "width": SIDE,
        "height": SIDE,
        "bits": 8,
        "sha256": [f"hash {n}" for n in range(IMAGES)],
        "path": [f"/made/images/{n}.png" for n in range(IMAGES)],
    }
    table = pd.DataFrame(facts)[list(COLUMNS)]
    return TrustInputs(
        rows=table.assign(**(rows(labels) if rows else {})),
        labels=labels,
        classes=classes,
        pixels=lambda asked: images[asked],
        root=Path("/made"),
        resamples=100,
        **more,
    )


def stamp(images, labels):
    """A marker in the corner of each image that is not of the first class."""
    images[labels > 0, 2:7, 2:7] = 255
    return images


def with_model(inputs, score):
    """Give inputs a model: score, from pixels to the chance of class 1."""

    def predict(pixels):
        chances = np.clip(score(pixels.astype(float)), 0, 1)
        return np.stack([1 - chances, chances], axis=1)

    probabilities = predict(inputs.pixels(inputs.held_out))
    return replace(inputs, predict=predict, probabilities=probabilities)


def look_at_lungs(pixels):
    return pixels[:, *LUNG].mean(axis=(1, 2)) / 255


def look_at_corner(pixels):
    return pixels[:, 2:7, 2:7].mean(axis=(1, 2)) / 255
