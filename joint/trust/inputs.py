"""What a run of any image task gives so that the trust report can look for cheating in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

HELD_OUT = "test"
UNKNOWN = -1

COLUMNS = (
    "study_id",
    "patient_id",
    "split",
    "source",
    "view",
    "sex",
    "age",
    "width",
    "height",
    "bits",
    "sha256",
    "path",
)
"""The columns of `TrustInputs.rows`; what a corpus does not know is None or NaN throughout."""

Pixels = NDArray[np.uint8]
"""Framed grey images [n, size, size]."""
Masks = NDArray[np.bool_]
"""True where there is lung, [n, size, size]."""
Probabilities = NDArray[np.float64]
Rows = NDArray[np.int64]


class TrustInputError(ValueError):
    """Inputs of the trust report that do not belong together."""


@dataclass(frozen=True)
class ExternalSet:
    """A test set from elsewhere: class numbers [m], probabilities [m, k], patients [m]."""

    name: str
    labels: NDArray[np.int64]
    probabilities: Probabilities
    patients: list[str]


@dataclass(frozen=True)
class TrustInputs:
    """The images of a run, their classes, and the model to be asked about altered images.

    rows: one row per image with COLUMNS; the row number is what the callables are asked for.
    labels: class number of each row, −1 where not known (for severity: 1 above grade 0, else 0).
    classes: their names; () for a run that tells none apart, whose labels are not known.
    pixels: rows → uint8 [n, size, size]. probabilities: [m, k] of the trained model on the rows
    of split "test", in their order; None for a corpus without a model. predict: the trained model
    on (altered) pixels → [n, k]. lung_masks: (rows, pixels) → bool [n, size, size]; without it a
    generous zone stands for the lungs. root: the folder that paths are named under; None names
    no file.
    """

    rows: pd.DataFrame
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    pixels: Callable[[Rows], Pixels]
    probabilities: Probabilities | None = None
    predict: Callable[[Pixels], Probabilities] | None = None
    lung_masks: Callable[[Rows, Pixels], Masks] | None = None
    external: ExternalSet | None = None
    root: Path | None = None
    seed: int = 0
    resamples: int = 1000

    def __post_init__(self) -> None:
        lacking = [name for name in COLUMNS if name not in self.rows]
        if lacking:
            raise TrustInputError(f"the trust report's rows lack the columns {lacking}")
        if len(self.labels) != len(self.rows):
            raise TrustInputError(f"{len(self.rows)} images, but {len(self.labels)} labels")
        if len(self.classes) == 1 or self.labels.max(initial=UNKNOWN) >= len(self.classes):
            raise TrustInputError(
                f"labels reach {self.labels.max(initial=UNKNOWN)}, classes are {self.classes}"
            )
        expected = (len(self.held_out), len(self.classes))
        if self.probabilities is not None and self.probabilities.shape != expected:
            raise TrustInputError(
                f"probabilities of shape {self.probabilities.shape}; expected {expected}: one row"
                f" per image of split {HELD_OUT!r}"
            )

    @cached_property
    def held_out(self) -> Rows:
        """Rows of the test split, in order."""
        return np.flatnonzero((self.rows["split"] == HELD_OUT).to_numpy())

    @cached_property
    def known(self) -> Rows:
        """Rows whose class is known."""
        return np.flatnonzero(self.labels != UNKNOWN)

    def patients(self, rows: Rows) -> list[str]:
        """Name the patient of each row, for intervals that draw patients."""
        return [str(name) for name in self.rows["patient_id"].to_numpy()[rows]]

    def views(self, rows: Rows) -> list[str]:
        """Name the view of each row, "" where not known: what is compared within."""
        return [str(view or "").upper() for view in self.rows["view"].fillna("").to_numpy()[rows]]
