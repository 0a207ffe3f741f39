"""Forward correction: hold what the image head says, turned into a report's grade, against labels.

A mined label says what a report says. With P(report | image) known, the image head may keep
saying what the image shows: p_report = p_image · T is what is compared with labels (Patrini et
al. 2017). It is never applied unless a run's settings name a transition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from configs.settings import Settings
from data_cards.transition import ReportToImage, read_transition
from data_cards.transition_estimate import named_transition
from data_cards.transition_priors import TRANSITION_PRIORS
from vision.heads import severity_probabilities

SMALLEST_CHANCE = 1e-6
"""Keeps logits finite where a cell of the transition is almost 0."""


class NoCorrection(Settings):
    """The image head is taught a report's grade as if the image showed it."""

    kind: Literal["none"] = "none"


class ForwardCorrection(Settings):
    """The image head is taught through a transition: one from a file, or a named prior.

    path: what `kerley transition --out` wrote. prior: a name from
    `data_cards/transition_priors.py`. Exactly one of them.
    """

    kind: Literal["forward"]
    path: Path | None = None
    prior: str | None = None

    @model_validator(mode="after")
    def _check_source(self) -> ForwardCorrection:
        if (self.path is None) == (self.prior is None):
            raise ValueError("report_to_image: forward needs either a path or a prior")
        if self.prior is not None and self.prior not in TRANSITION_PRIORS:
            known = ", ".join(sorted(TRANSITION_PRIORS))
            raise ValueError(f"{self.prior!r}: no such transition prior. Known: {known}")
        return self


CorrectionSettings = Annotated[NoCorrection | ForwardCorrection, Field(discriminator="kind")]


def load_correction(settings: NoCorrection | ForwardCorrection) -> ReportToImage | None:
    """Read the transition that the settings name; None for no correction.

    Raises TransitionError when its file is missing or is no transition.
    """
    if isinstance(settings, NoCorrection):
        return None
    if settings.path is not None:
        return read_transition(settings.path)
    return named_transition(settings.prior or "")


def hash_correction(settings: NoCorrection | ForwardCorrection) -> dict[str, str]:
    """Name the transition by its content, as a run's hashes do; empty for no correction."""
    correction = load_correction(settings)
    return {} if correction is None else {"report_to_image": correction.content_hash}


def transition_matrix(correction: ReportToImage | None) -> Tensor | None:
    """Give P(report | image) as float32 [4, 4], row = image; None for no correction."""
    return None if correction is None else torch.tensor(correction.grade.report_given_image.values)


def reported_logits(cumulative_logits: Tensor, transition: Tensor) -> Tensor:
    """Turn logits [n, 3] of P(image > k) into those of P(report > k), p_report = p_image · T.

    transition: [4, 4], row = image, column = report. Each row of the result comes from that row
    alone, so any loss on the logits stays a sum over rows. Patrini et al. 2017.
    """
    chances = severity_probabilities(cumulative_logits) @ transition.to(cumulative_logits)
    beyond = chances.flip(1).cumsum(1).flip(1)[:, 1:]
    return torch.logit(beyond, eps=SMALLEST_CHANCE)
