"""The gradient of a batch whose activations don't fit at once: equal to the whole batch's.

GradCache (Gao et al. 2021): run all parts without keeping activations, take the loss and its
gradient at the outputs of the whole batch, then run each part again and send its gradient back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from joint.task import Batch


def backward_in_parts(
    model: nn.Module,
    batch: Batch,
    loss: Callable[[Batch, Batch], Tensor],
    *,
    accelerator: Accelerator,
    parts: int = 1,
) -> None:
    """Add the gradient of `loss(model(batch), batch)` to the parameters, `parts` at a time."""
    if parts == 1:
        accelerator.backward(loss(model(batch), batch))
        return
    pieces = _split(batch, parts)
    states, outputs = [], []
    for piece in pieces:
        states.append(_random_state())
        with torch.no_grad():
            outputs.append(model(piece))
    # Detached: a view of a parameter (SigLIP's bias) hangs on it even without a gradient.
    whole = {
        name: torch.cat([output[name] for output in outputs]).detach().requires_grad_()
        for name in outputs[0]
    }
    accelerator.backward(loss(whole, batch))
    after = _random_state()
    gradients = _split({name: value.grad for name, value in whole.items()}, parts)  # type: ignore[misc]
    for number, (piece, gradient, state) in enumerate(zip(pieces, gradients, states, strict=True)):
        # The same random numbers (dropout) as in the first run; gradients travel once, at the end.
        _set_random_state(state)
        is_last = number == parts - 1
        with nullcontext() if is_last else accelerator.no_sync(model):
            again = model(piece)
            # A ranking without a learned scale gives one that nothing learns from.
            names = [name for name, value in again.items() if value.requires_grad]
            torch.autograd.backward([again[n] for n in names], [gradient[n] for n in names])
    _set_random_state(after)


def _split(batch: Batch, parts: int) -> list[Batch]:
    columns = {name: torch.tensor_split(value, parts) for name, value in batch.items()}
    return [{name: column[i] for name, column in columns.items()} for i in range(parts)]


def _random_state() -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def _set_random_state(state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
