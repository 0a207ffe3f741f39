"""The gradient of two and of four processes is that of one on the global batch."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.joint.contrastive_cases import CONTRASTIVE_LOSSES
from tests.joint.exact_gradients import ROWS, STEPS

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
PROCESSES = (1, 2, 4)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Run `exact_gradients.py` in one, two and four processes: name → results by processes."""
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    folders = {count: tmp_path_factory.mktemp(f"processes{count}") for count in PROCESSES}
    running = []
    for count, folder in folders.items():
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
        command = [sys.executable, *(launch if count > 1 else [])]
        command += ["-m", "tests.joint.exact_gradients", str(folder)]
        running.append(
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        )
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
    return {
        file.stem: {
            count: dict(np.load(folder / file.name))
            for count, folder in folders.items()
            if (folder / file.name).is_file()
        }
        for file in sorted(folders[1].glob("*.npz"))
    }


def difference(one, other):
    """The largest difference of a tensor's numbers, as a share of the largest of them.

    A tensor whose every number is rounding (its true gradient is zero) counts as a thousandth of
    the largest tensor.
    """
    assert one.keys() == other.keys()
    largest = max(np.abs(value).max(initial=0) for value in one.values())
    return max(
        np.abs(value - other[name]).max(initial=0)
        / max(np.abs(value).max(initial=0), 1e-3 * largest, 1e-30)
        for name, value in one.items()
    )


@pytest.mark.parametrize("processes", PROCESSES[1:])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", CONTRASTIVE_LOSSES)
def test_the_gradient_of_a_contrastive_loss_is_exact(results, kind, dtype, rows, processes):
    found = results[f"{kind} {dtype} {rows}"]
    assert difference(found[1], found[processes]) <= TOLERANCE[dtype]
    assert np.abs(found[1]["towers"]).max() > 1e-6


@pytest.mark.parametrize("processes", PROCESSES[1:])
@pytest.mark.parametrize("kind", CONTRASTIVE_LOSSES)
def test_a_step_of_the_whole_model_is_exact_with_every_contrastive_loss(results, kind, processes):
    found = results[f"step {kind}"]
    assert difference(found[1], found[processes]) <= TOLERANCE["float64"]


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("kind", CONTRASTIVE_LOSSES)
def test_a_step_taken_part_by_part_is_exact_with_every_contrastive_loss(results, kind, processes):
    whole, in_parts = results[f"step {kind}"][1], results[f"cached step {kind}"][processes]
    assert difference(whole, in_parts) <= TOLERANCE["float64"]


@pytest.mark.parametrize("processes", PROCESSES[1:])
@pytest.mark.parametrize("batch", STEPS)
def test_a_step_is_exact_however_rows_fall_on_processes(results, batch, processes):
    found = results[f"batch {batch}"]
    assert difference(found[1], found[processes]) <= TOLERANCE["float64"]
    assert all(np.isfinite(value).all() for value in found[processes].values())


@pytest.mark.parametrize("processes", PROCESSES)
@pytest.mark.parametrize("batch", STEPS)
def test_a_step_taken_part_by_part_is_exact(results, batch, processes):
    whole, in_parts = results[f"batch {batch}"][1], results[f"cached {batch}"][processes]
    assert difference(whole, in_parts) <= TOLERANCE["float64"]


@pytest.mark.parametrize("batch", ["uneven", "no-label-on-a-rank", "one-row"])
def test_a_step_with_sharded_weights_is_exact(results, batch):
    whole, sharded = results[f"batch {batch}"][1], results[f"sharded {batch}"][2]
    assert difference(whole, sharded) <= TOLERANCE["float64"]


def test_a_wrong_loss_would_be_seen(results):
    found = results["infonce float32 9"][1]
    assert difference(found, {name: value * (1 + 1e-4) for name, value in found.items()}) > 1e-5
