"""Grading with PyTorch: for a grader without an ONNX file, on a GPU, and for heatmaps."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from vision.engine import TowerScores
from vision.grader_card import GraderError
from vision.tower import ImageTower, TowerSettings
from vision.transforms import prepare_images


class TorchEngine:
    """An image tower in evaluation mode; `threads` holds while it scores (None: as torch has it).

    The tower is copied: grading must not switch a model in training to evaluation.
    """

    def __init__(self, tower: ImageTower, *, threads: int | None = None) -> None:
        self.tower = copy.deepcopy(tower).eval().requires_grad_(False)
        self.findings = tower.settings.findings
        self._threads = threads

    def score(self, framed: NDArray[np.uint8]) -> TowerScores:
        """Score framed images, uint8 [n, size, size], on the device of the tower."""
        with torch.no_grad(), hold_threads(self._threads):
            output = self.tower(prepare_for(self.tower, framed))
        scored = (output.embeddings, output.severity_logits, output.finding_logits)
        return TowerScores(*(part.float().cpu().numpy() for part in scored))


def prepare_for(tower: ImageTower, framed: NDArray[np.uint8]) -> torch.Tensor:
    """Prepare framed images, uint8 [n, size, size], on the device of a tower."""
    device = next(tower.parameters()).device
    return prepare_images(torch.from_numpy(framed).to(device))


def build_tower(settings: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> ImageTower:
    """Build the tower of a grader's card and give it its weights.

    Raises GraderError when the settings aren't a tower's, or the weights another tower's.
    """
    try:
        tower = ImageTower(
            TowerSettings.model_validate_json(json.dumps(settings)), load_pretrained=False
        )
        tower.load_state_dict({name: torch.from_numpy(part) for name, part in weights.items()})
    except ValidationError as error:
        raise GraderError(f"the card's tower: {error}") from error
    except RuntimeError as error:
        raise GraderError(f"the weights are not this tower's: {error}") from error
    return tower


@contextmanager
def hold_threads(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads inside of the block, and as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
