"""Grey levels as the encoder takes them, with NumPy alone; `transforms` does the same in torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN = 0.449
DEVIATION = 0.226
"""Grey mean and deviation of ImageNet, which pretrained weights expect; any two would do else."""


def normalise(framed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn uint8 [n, h, w] into float32 [n, 1, h, w]: (pixel / 255 − mean) / deviation."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255.0)
    table = (levels - np.float32(MEAN)) / np.float32(DEVIATION)
    return table[framed[:, np.newaxis]]
