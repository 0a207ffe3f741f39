"""The random numbers of one process as a file: where they stand, and strictly back to there."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file


def save_random_state(path: Path) -> None:
    """Write where Python's, NumPy's, torch's and this process's GPU's random numbers stand."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - the global one
    tensors = {
        "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    plain = {"python": random.getstate(), "numpy": [kind, *rest]}
    save_file(tensors, path, metadata={"plain": json.dumps(plain)})


def load_random_state(path: Path) -> None:
    """Go on with the random numbers of a file; raises where any of them cannot be set.

    Accelerate's own loading logs such a failure and goes on with other numbers.
    """
    with safe_open(path, "pt") as file:
        plain = json.loads(file.metadata()["plain"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    version, words, gauss = plain["python"]
    kind, *rest = plain["numpy"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state((kind, tensors["numpy"].numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(tensors["torch"])
    if torch.cuda.is_available() and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])


def seed_process(*numbers: int) -> None:
    """Seed everything that draws on its own in this process, as a function of whole numbers."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global one
    torch.manual_seed(seed)
