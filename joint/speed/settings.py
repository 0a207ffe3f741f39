"""Switches that make a step cheaper and leave its loss, gradient and weight names as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from configs.settings import Settings
from joint.text_encoder import TextEncoder
from vision.encoders import ImageEncoder

CONTAINERS = (nn.Sequential, nn.ModuleList)


class SpeedError(ValueError):
    """A switch that the model cannot use; the message says why."""


class SpeedSettings(Settings):
    """What to do to both encoders; heads and losses are small and stay as they are.

    compile: by torch.compile, reports of any length by one program; needs a C++ compiler on a
    CPU, and takes a minute at the first step. channels_last: keep the kernels of the image
    encoder as its images are, colour by colour at each pixel. checkpoint_activations: forget what
    is inside the blocks of an encoder and compute it again for the gradient: less memory, a third
    more work.
    """

    compile: bool = False
    channels_last: bool = False
    checkpoint_activations: bool = False


def speed_up(model: nn.Module, settings: SpeedSettings) -> None:
    """Change the encoders of a model in place, before an optimizer sees its weights.

    No module is wrapped: names and shapes in a checkpoint, and so in a grader, stay the same.
    Raises SpeedError where there is no block to checkpoint.
    """
    encoders = [m for m in model.modules() if isinstance(m, ImageEncoder | TextEncoder)]
    if settings.channels_last:
        for encoder in encoders:
            if isinstance(encoder, ImageEncoder):
                encoder.to(memory_format=torch.channels_last)
    if settings.checkpoint_activations:
        _checkpoint_blocks(encoders, is_compiled=settings.compile)
    if settings.compile:
        for encoder in encoders:
            # Reports differ in length from batch to batch; images all have one size.
            encoder.compile(dynamic=True if isinstance(encoder, TextEncoder) else None)


def find_blocks(encoder: nn.Module) -> list[nn.Module]:
    """List the outermost modules with parts that stand in a row: residual blocks, layers."""
    found: list[nn.Module] = []
    waiting = [encoder]
    while waiting:
        parent = waiting.pop()
        for child in parent.children():
            is_block = type(parent) in CONTAINERS and type(child) not in CONTAINERS
            if not is_block:
                waiting.append(child)
            elif any(child.children()):
                found.append(child)
    return found


def _checkpoint_blocks(encoders: Sequence[nn.Module], *, is_compiled: bool) -> None:
    blocks = [block for encoder in encoders for block in find_blocks(encoder)]
    if not blocks:
        raise SpeedError(
            "loop.speed.checkpoint_activations: the encoders have no blocks one after the other"
            " to forget the inside of; turn it off"
        )
    for block in blocks:
        norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
        if norms and is_compiled:
            raise SpeedError(
                "loop.speed: compile and checkpoint_activations do not go together where an image"
                " encoder has batch norms; set norm: group or frozen_batch, or turn one off"
            )
        run_again = partial(checkpoint, block.forward, use_reentrant=False)
        if norms:
            run_again = partial(run_again, context_fn=partial(_contexts, norms))
        block.forward = partial(_run_block, block.forward, run_again)


def _run_block(
    forward: Callable[..., object], again: Callable[..., object], *inputs: object, **named: object
) -> object:
    return (again if torch.is_grad_enabled() else forward)(*inputs, **named)


def _contexts(
    norms: Sequence[_BatchNorm],
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _keep_statistics(norms)


@contextmanager
def _keep_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Let batch norms normalise and not count: the second run sees the same batch again."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
