"""The random numbers of one process as a file: where they stand, and strictly back to there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch


def save_random_state(path: Path) -> None:
    """Write where Python's, NumPy's, torch's and this process's GPU's random numbers stand."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - the global one
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }
    torch.save(state, path)


def load_random_state(path: Path) -> None:
    """Go on with the random numbers of a file; raises where any of them cannot be set.

    Accelerate's own loading logs such a failure and goes on with other numbers.
    """
    state = torch.load(path, weights_only=True)
    kind, keys, *rest = state["numpy"]
    random.setstate(state["python"])
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])


def seed_process(*numbers: int) -> None:
    """Seed everything that draws on its own in this process, as a function of whole numbers."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global one
    torch.manual_seed(seed)
