"""The report→image transition: how grades of reports relate to what images show, with its source.

A report is not its image: reports over-call. A transition says how often each report grade is
given to images of each grade, with an interval per cell and with where it comes from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from configs.files import hash_json, write_text
from configs.settings import Settings, tell_first
from data_cards.findings import SEVERITY_LEVELS

FloatArray = NDArray[np.float64]
Matrix = tuple[tuple[float, ...], ...]

ROUNDING = 1e-6


class TransitionError(ValueError):
    """A transition that cannot be estimated, read or used; the message says what is missing."""


class Cells(Settings):
    """A matrix whose rows are probabilities, and the interval of each of its cells."""

    values: Matrix
    low: Matrix
    high: Matrix

    @model_validator(mode="after")
    def _check_rows(self) -> Cells:
        values, low, high = (np.asarray(part) for part in (self.values, self.low, self.high))
        if values.ndim != 2 or values.shape[0] != values.shape[1]:
            raise ValueError(f"a transition is square, not of shape {values.shape}")
        if not values.shape == low.shape == high.shape:
            raise ValueError("values, low and high differ in shape")
        if (values < 0).any() or (abs(values.sum(axis=1) - 1) > ROUNDING).any():
            raise ValueError("a row of the transition is no distribution: it does not sum to 1")
        if (low > values).any() or (values > high).any():
            raise ValueError("a cell lies outside its interval")
        return self


class Transition(Settings):
    """One 4×4 (grade) or 2×2 (finding: absent, present) transition between report and image.

    counts: consensus reads, row = report, column = image. report_counts: how often each report
    grade occurs in the label table, by which a consensus set that is stratified by report grade
    is reweighted. report_given_image: row = image, column = report: P(report | image), what a
    forward correction needs. image_given_report: row = report, column = image. image_prior:
    P(image) = Σ over reports of P(report) · P(image | report), the prior that joins the two.
    """

    counts: tuple[tuple[int, ...], ...]
    report_counts: tuple[int, ...]
    image_prior: tuple[float, ...]
    report_given_image: Cells
    image_given_report: Cells

    @property
    def matrix(self) -> FloatArray:
        """P(report | image): row = image grade, column = report grade."""
        return np.asarray(self.report_given_image.values, np.float64)

    def invert(self, image_prior: FloatArray) -> FloatArray:
        """Give P(image | report) for other images than these: row = report, column = image.

        image_prior: how often each image grade occurs there. By Bayes' rule, with the same
        P(report | image): the reporters are held to be alike, the patients may differ.
        """
        joint = np.asarray(image_prior)[:, None] * self.matrix
        given: FloatArray = (joint / joint.sum(axis=0)).T
        return given


class ConsensusSource(Settings):
    """A transition that was estimated from images which readers graded.

    file, sha256: the consensus table; labels_file, labels_sha256: the label table it was held
    against. images, studies, patients (None: no patient ids): those matched. unmatched: reads
    whose study the label table does not hold or does not grade. prior: the named prior that it
    is shrunk to, by prior_strength pseudo-studies per report grade. created: ISO time.
    """

    kind: Literal["consensus"] = "consensus"
    file: str
    sha256: str
    labels_file: str
    labels_sha256: str
    images: int
    studies: int
    patients: int | None
    unmatched: int
    prior: str
    prior_strength: float
    created: str


class PriorSource(Settings):
    """A transition that was measured elsewhere and goes by a name (`transition_priors.py`)."""

    kind: Literal["prior"] = "prior"
    name: str
    citation: str
    derivation: str


class ReportToImage(Settings):
    """The way from report to image: grade, findings, where it comes from.

    findings: 2×2 by finding, where the consensus set reads findings. level: of the intervals,
    from `draws` draws with `seed`. notes: what a reader must know, such as a report grade
    without any consensus read.
    """

    grade: Transition
    findings: dict[str, Transition] = Field(default_factory=dict)
    source: Annotated[ConsensusSource | PriorSource, Field(discriminator="kind")]
    level: float = Field(gt=0, lt=1)
    draws: int
    seed: int
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_sizes(self) -> ReportToImage:
        sizes = {"grade": (self.grade, SEVERITY_LEVELS)}
        sizes |= {name: (transition, 2) for name, transition in self.findings.items()}
        for name, (transition, size) in sizes.items():
            if transition.matrix.shape != (size, size):
                raise ValueError(f"{name}: expected {size}×{size}, not {transition.matrix.shape}")
        return self

    @property
    def content_hash(self) -> str:
        """SHA-256 of all but the time at which it was estimated."""
        values: dict[str, Any] = self.model_dump(mode="json")
        values["source"].pop("created", None)
        return hash_json(values)

    def describe_source(self) -> str:
        """Say in one line where it comes from."""
        source = self.source
        if isinstance(source, PriorSource):
            return f"the named prior {source.name} ({source.citation})"
        return (
            f"{source.images} consensus images of {source.file} (SHA-256 {source.sha256[:12]}…),"
            f" shrunk to {source.prior} by {source.prior_strength:g} pseudo-studies per report"
            " grade"
        )


def write_transition(path: Path, transition: ReportToImage) -> None:
    """Write a transition as JSON, atomically."""
    write_text(path, transition.model_dump_json(indent=2) + "\n")


def read_transition(path: Path) -> ReportToImage:
    """Read what `write_transition` wrote; raises TransitionError naming the file and the key."""
    if not path.is_file():
        raise TransitionError(f"{path}: no such file; write one with kerley transition --out")
    try:
        return ReportToImage.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise TransitionError(f"{path}: not a transition: {tell_first(error)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TransitionError(f"{path}: not readable as text: {error}") from error
