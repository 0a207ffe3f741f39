"""What computes a grader's numbers: an engine, which holds the image tower in some form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vision.tower import ImageTower


class TowerScores(NamedTuple):
    """What the tower says about n images, as float32 arrays.

    embeddings: [n, width]. severity_logits: [n, 3], cumulative. finding_logits: [n, findings].
    """

    embeddings: NDArray[np.float32]
    severity_logits: NDArray[np.float32]
    finding_logits: NDArray[np.float32]


class Engine(Protocol):
    """Scores framed images with a tower's weights."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the finding logits, in their order."""
        ...

    @property
    def tower(self) -> ImageTower:
        """The network in torch, which heatmaps need; an ONNX engine reads it on first use."""
        ...

    def score(self, framed: NDArray[np.uint8]) -> TowerScores:
        """Score framed images, uint8 [n, size, size]."""
        ...
