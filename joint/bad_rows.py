"""What a step that is skipped for NaN or infinity needs: undone statistics, and the studies' names.

A norm's running statistics change in the forward pass already: one NaN pixel would reach them
however the step ends, and every later prediction with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from joint.task import Batch

MAX_NAMED = 8


def find_bad_outputs(outputs: Batch) -> Tensor:
    """Say for each row [rows] whether the model gave anything that is not finite."""
    each = [
        ~value.detach().isfinite().unsqueeze(1).flatten(1).all(dim=1) for value in outputs.values()
    ]
    return torch.stack(each).any(dim=0)


def describe_rows(names: Sequence[str], is_bad: Sequence[bool]) -> str:
    """List the study hashes of bad rows; too many to be the cause are only counted."""
    found = [name for name, bad in zip(names, is_bad, strict=True) if bad]
    if len(found) <= MAX_NAMED:
        return ", ".join(found)
    return f"{len(found)} of the {len(names)} here"


class NormStatistics:
    """A copy of a model's running statistics, to put back when a step is skipped."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self._copies = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def put_back(self) -> None:
        """Restore every buffer in place."""
        for buffer, copy in zip(self._buffers, self._copies, strict=True):
            buffer.copy_(copy)
