"""What each switch of a run's speed is worth on this machine, side by side on the same batches.

    python -m benchmarks.speed_switches CONFIG [key=value …] [--steps 20]

One model for each switch, from the same seed; whole steps are timed in turns, batch by batch.
"kept" is what a step keeps for its gradient, which `checkpoint_activations` is there for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from configs.settings import load_settings
from joint.batch_stream import batch_reader, move_batch
from joint.loop import Loop
from joint.prepare import prepare_data
from joint.resuming.checkpoints import Progress
from joint.run import build_task
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.speed.settings import SpeedError
from joint.training.launch import make_accelerator

SWITCHES = {
    "as given": (),
    "optimizer.fused": ("optimizer.fused=true",),
    "loop.speed.channels_last": ("loop.speed.channels_last=true",),
    "loop.speed.checkpoint_activations": ("loop.speed.checkpoint_activations=true",),
    "loop.speed.compile": ("loop.speed.compile=true",),
}
UNCOUNTED = 4


def build_loops(config: Path, overrides: Sequence[str], folder: Path) -> dict[str, Loop]:
    """Build a loop for each switch that the run's model takes."""
    prepared = prepare_data(load_settings(RunSettings, config, overrides).data)
    loops = {}
    for name, switch in SWITCHES.items():
        settings = load_settings(RunSettings, config, [*overrides, *switch])
        accelerator = make_accelerator(settings.loop)
        task, _ = build_task(settings, prepared, RunFolder(folder), accelerator)
        try:
            loops[name] = Loop(task, accelerator, settings.loop, settings.optimizer)
        except SpeedError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        loops[name].model.train()
    return loops


def time_steps(loops: dict[str, Loop], steps: int) -> dict[str, list[float]]:
    """Time steps of all loops in turns on the same batches."""
    first = next(iter(loops.values()))
    total = steps + UNCOUNTED
    read = batch_reader(first.task, first.accelerator, Progress(), total)
    spent: dict[str, list[float]] = {name: [] for name in loops}
    for _ in tqdm(range(total), unit="step"):
        place, batch = read()
        batch = move_batch(batch, first.accelerator)
        for name, loop in loops.items():
            start = time.perf_counter()
            loop.take_step(batch, place)
            if first.accelerator.device.type == "cuda":
                torch.cuda.synchronize()
            spent[name].append(time.perf_counter() - start)
    return {name: values[UNCOUNTED:] for name, values in spent.items()}


def count_kept(loop: Loop) -> float:
    """Give the megabytes that a forward pass keeps for the gradient, weights left out."""
    weights = {p.data_ptr() for p in loop.model.parameters()}
    kept: dict[int, int] = {}

    def keep(value):
        if value.data_ptr() not in weights:
            kept[value.data_ptr()] = value.untyped_storage().nbytes()
        return value

    _, batch = batch_reader(loop.task, loop.accelerator, Progress(), 1)()
    batch = loop.task.prepare(move_batch(batch, loop.accelerator))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        outputs = loop.model(batch)
    del outputs
    return sum(kept.values()) / 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_intermixed_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        loops = build_loops(asked.config, asked.overrides, Path(temporary))
        spent = time_steps(loops, asked.steps)
        plain = np.array(spent["as given"])
        print("| switch | ms a step | × as given, from … to | MB kept |\n|---|---:|---:|---:|")
        for name, values in spent.items():
            ratios = np.percentile(plain / np.array(values), [50, 25, 75])
            times = f"{ratios[0]:.2f}, {ratios[1]:.2f} … {ratios[2]:.2f}"
            kept = "" if "compile" in name else f"{count_kept(loops[name]):.0f}"
            print(f"| `{name}` | {1000 * np.median(values):.0f} | {times} | {kept} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
