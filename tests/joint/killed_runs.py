"""Whole runs that are killed with SIGKILL and started again, beside one that never was.

Usage: `python -m tests.joint.killed_runs OUT PROCESSES KILL [KILL …]`: kills one run of that many
processes after each of these steps, and writes what differs from an uninterrupted run to
OUT/differences.json. The launches are forked from one process that has imported everything.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import pandas as pd
import wandb.sdk.launch.agent  # noqa: F401 - what every launch would import again
import yaml

from data_cards.phantom.generator import make_phantom
from data_cards.phantom.settings import PhantomSettings
from joint.metrics_log import MetricsLog
from joint.resuming.files import read_state
from joint.train import main as train_main

POLL_SECONDS = 0.002
STEPS = 24
CLOCK = "samples_per_second"
COMPARED = ("model.safetensors", "optimizer.bin", "task.safetensors")


def write_run(out: Path, *, steps: int = STEPS, evaluate_every: int = 9, **loop) -> Path:
    """Write a small corpus and a joint run: dropout, micro-batches, sections, a noise memory."""
    make_phantom(out / "corpus", PhantomSettings(studies=40, size=64, seed=1), workers=1)
    encoder = {
        "kind": "torchvision",
        "name": "DenseNet",
        "arguments": {
            "growth_rate": 4,
            "block_config": [1, 1],
            "num_init_features": 8,
            "bn_size": 2,
        },
        "norm": "group",
    }
    text = {"kind": "scratch", "width": 16, "layers": 1, "heads": 2, "vocabulary": 200}
    settings = {
        "name": "whole",
        "out": str(out),
        "data": {
            "corpus": "phantom",
            "root": str(out / "corpus"),
            "work": str(out / "work"),
            "cache": {"size": 32},
            "validate_share": 0.2,
            "test_share": 0.2,
        },
        "task": {
            "kind": "joint",
            "tower": {"encoder": encoder, "findings": ["Cardiomegaly", "Edema"]},
            "text": text | {"max_tokens": 32, "dropout": 0.2},
            "embedding_width": 8,
            "sections": "drawn",
            "batches": {"size": 8, "labelled_share": 0.5, "length_window": 2},
            "augment": {"rotation_degrees": 5.0},
            "losses": {"noise": {"kind": "elr"}},
        },
        "optimizer": {"learning_rate": 0.002, "warmup_steps": 5},
        "loop": {
            **{"steps": steps, "evaluate_every": evaluate_every, "log_every": 1},
            **{"checkpoint_every": 2, "micro_batch": 2, "threads": 1},
            **loop,
        },
        "evaluation": {"resamples": 10},
    }
    file = out / "run.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


def start(arguments: list[str], processes: int, log: Path) -> list[int]:
    """Fork the processes of one launch; their output goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    started = []
    for rank in range(processes):
        if (process := os.fork()) == 0:
            if processes > 1:
                os.environ |= place | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            _become(arguments, log)
        started.append(process)
    return started


def _become(arguments, log):
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        code = train_main(arguments)
    except BaseException:  # noqa: BLE001 - a fork must never go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(processes: list[int], log: Path) -> None:
    """Wait for a launch to end well."""
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    if any(codes):
        raise RuntimeError(f"exit codes {codes}: {log.read_text(encoding='utf-8')[-3000:]}")


def kill_after(processes: list[int], run: Path, step: int) -> None:
    """Send SIGKILL to every process of a launch once the record has a row after `step`."""
    while last_step(run) <= step:
        if os.waitpid(processes[0], os.WNOHANG)[0]:
            raise RuntimeError(f"ended before step {step}")
        time.sleep(POLL_SECONDS)
    for process in processes:
        os.kill(process, signal.SIGKILL)
    for process in processes:
        os.waitpid(process, 0)


def last_step(run: Path) -> int:
    """Give the step of the record's last row, 0 before the first."""
    rows = list(MetricsLog(run / "metrics.jsonl").rows("train"))
    return rows[-1]["step"] if rows else 0


def find_differences(one: Path, two: Path) -> list[str]:
    """Name what is not the same, bit for bit, in two finished run folders, clocks apart."""
    different = []
    for link in ("last", "best"):
        ours, theirs = (run / "checkpoints" / link for run in (one, two))
        names = {path.name for path in ours.iterdir()} & set(COMPARED)
        names |= {path.name for path in ours.glob("random-*.safetensors")}
        different += [
            f"{link}/{name}"
            for name in sorted(names)
            if (ours / name).read_bytes() != (theirs / name).read_bytes()
        ]
        if read_state(ours)["progress"] != read_state(theirs)["progress"]:
            different.append(f"{link}/progress")
    if metrics(one) != metrics(two):
        different.append("metrics")
    for run in (one, two):
        if (run / "wandb").is_dir() and mirrored(run) != metrics(run):
            different.append(f"{run.name}: W&B")
    frames = [pd.read_parquet(run / "predictions.parquet") for run in (one, two)]
    if not frames[0].equals(frames[1]):
        different.append("predictions")
    return different


def metrics(run: Path) -> list[dict]:
    """Read the record without its clock and what is not defined."""
    rows = MetricsLog(run / "metrics.jsonl").rows()
    return [{n: v for n, v in row.items() if n != CLOCK and v is not None} for row in rows]


def mirrored(run: Path) -> list[dict]:
    """Read the one W&B mirror of a run as rows of the record."""
    from tests.joint.mirror import history

    rows = []
    for row in history(run):
        if any("_table." in name for name in row):  # a chart, of which the record has no row
            continue
        step = row.pop("global_step")
        kind = next(iter(row)).split("/")[0]
        values = {name.split("/", 1)[1]: value for name, value in row.items()}
        values.pop(CLOCK, None)
        rows.append({"kind": kind, "step": step, **values})
    return rows


def main(out: Path, processes: int, kills: list[int]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {"ACCELERATE_USE_CPU": "true"}
    tracking = "tracking.wandb=" + ("offline" if processes == 1 else "disabled")
    command, log = [str(write_run(out)), tracking], out / "log"
    finish(start(command, processes, log), log)
    ids = []
    for kill in kills:
        kill_after(start([*command, "name=killed"], processes, log), out / "killed", kill)
        ids += read_run_id(out / "killed")
    finish(start([*command, "name=killed"], processes, log), log)
    ids += read_run_id(out / "killed")
    found = find_differences(out / "whole", out / "killed")
    found += [] if len(set(ids)) <= 1 else ["W&B run id"]
    (out / "differences.json").write_text(json.dumps(found), encoding="utf-8")


def read_run_id(run: Path) -> list[str]:
    """Give the id of a run at W&B, nothing where it has none."""
    return [file.read_text(encoding="utf-8") for file in run.glob("wandb/run_id")]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(each) for each in sys.argv[3:]])
