"""A process's place in a launch, and what its processes do in turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs

from joint.loop import LoopSettings

T = TypeVar("T")


def make_accelerator(settings: LoopSettings) -> Accelerator:
    """Set up this process's place in the launch; precision is the run's, not the launcher's."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    distributed = DistributedDataParallelKwargs(
        find_unused_parameters=False, gradient_as_bucket_view=True
    )
    # The first convolution has one channel: two layouts of the same bytes, which DDP warns of.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    return Accelerator(
        cpu=not torch.accelerator.is_available(),
        mixed_precision=settings.mixed_precision,
        kwargs_handlers=[distributed],
    )


def leave_launch() -> None:
    """Close what connects the processes; without it some abort on their way out."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def prepare_in_turn(prepare: Callable[[bool], T], accelerator: Accelerator) -> T:
    """Let the main process make what is missing, and the others read it then.

    prepare: called with whether to make what is missing.
    """
    if accelerator.is_main_process:
        prepared = prepare(True)
        accelerator.wait_for_everyone()
        return prepared
    accelerator.wait_for_everyone()
    return prepare(False)
