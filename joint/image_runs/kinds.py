"""What a kind of image task brings to a run: its check, its task, and what is made at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from joint.image_runs.folder import ImageRunFolder
from joint.image_runs.prepare import PreparedImages
from joint.image_runs.settings import ImageRunSettings
from joint.loop import LoopReport
from joint.task import Task
from joint.training.session import Session


class ImageRunPlace(NamedTuple):
    """A run before it has a result; hashes: what it is made from, by name."""

    settings: ImageRunSettings
    folder: ImageRunFolder
    prepared: PreparedImages
    hashes: Mapping[str, str]


class TrainedImages(NamedTuple):
    """A run whose best weights are loaded.

    weights: the whole model's; step: the step that they are of. `session.loop.predict` gives
    outputs of any rows, on every process; files are written by the main process alone.
    """

    place: ImageRunPlace
    task: Any
    session: Session
    report: LoopReport
    step: int
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class ImageRunKind:
    """One kind of `ImageTaskSettings`.

    select: leave out images that the task does not take, and say how many; raises
    PreparationError where what is left cannot be taught or tested. build: make the task.
    finish: measure and write everything, the model card last; gives the lines that
    `kerley train` prints. Both are called on every process, finish after the last step.
    """

    select: Callable[[ImageRunSettings, PreparedImages], PreparedImages]
    build: Callable[[ImageRunSettings, PreparedImages], Task]
    finish: Callable[[TrainedImages], list[str]]
