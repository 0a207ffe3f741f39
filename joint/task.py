"""What the training loop needs to know of an experiment; `vision` and `joint` offer such tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vision.losses import MaskedSum

Rows = NDArray[np.int64]
Batch = dict[str, Tensor]
Predict = Callable[[Rows], dict[str, NDArray[np.float32]]]


class Gather(Protocol):
    """The rows of all processes in the order of the global batch, with their gradient."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Turn [own rows, ...] into [rows of all processes, ...]."""

    @property
    def places(self) -> Tensor:
        """Give the place of each of this process's rows in the global batch, int64 [own rows]."""


class Task(Protocol):
    """A model, its batches, its losses and its validation; nothing about processes or devices."""

    @property
    def model(self) -> nn.Module:
        """Called as model(batch) → dict of tensors [rows, ...]."""

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """The weight of each loss that `losses` returns."""

    def plan_epoch(self, epoch: int) -> Sequence[Rows]:
        """Give the epoch's global batches as row numbers: a function of seed and epoch alone."""

    def load(self, rows: Rows, *, step: int | None) -> Batch:
        """Read rows into host tensors [rows, ...]; step None: for evaluation, unaugmented.

        Called from a thread ahead of time; random choices depend on seed, step and row only.
        """

    def prepare(self, batch: Batch) -> Batch:
        """Turn a batch that lies on the device into what the model takes (scale, augment)."""

    def find_bad_rows(self, batch: Batch) -> Tensor:
        """Say of each row of a prepared batch [rows] whether a pixel or known label isn't finite.

        What a mask hides may be anything.
        """

    def name_rows(self, rows: Rows) -> Sequence[str]:
        """Name the study of each row by a hash, for messages: an id is patient data."""

    def losses(self, outputs: Batch, batch: Batch, gather: Gather) -> Mapping[str, MaskedSum]:
        """Give each loss as its sum and count over this process's rows.

        gather: for what a loss needs of the rows of other processes.
        """

    def evaluate(self, predict: Predict) -> Mapping[str, float | None]:
        """Give validation metrics; `score` (higher is better, or None) picks the best step.

        predict: row numbers → the model's outputs [rows, ...] as arrays, on every process.
        """


@runtime_checkable
class StatefulTask(Protocol):
    """A task that remembers something from step to step (a noise memory) offers this as well.

    Its state is the same on every process, as its result doesn't depend on their number: an
    update that comes from the rows of one process is gathered before it is made. Checkpoints
    keep it once.
    """

    def state_dict(self) -> Mapping[str, Tensor]:
        """Give what a resumed run must find again; tensors on any device."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what `state_dict` gave; the tensors lie on the host."""
