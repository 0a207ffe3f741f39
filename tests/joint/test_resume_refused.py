"""What keeps a run from going on, and says so: damage, full disks, other commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from joint.metrics_log import MetricsLog, MetricsLogError
from joint.resuming import files as checkpoint_files
from joint.resuming.changes import ChangeError, check_names
from joint.resuming.checkpoints import CheckpointError, Checkpoints
from joint.resuming.files import list_steps, read_state
from joint.resuming.lock import lock_run
from joint.resuming.random_state import seed_process
from joint.run_folder import RunFolderError
from tests.joint.resumed import IDENTITY, ignore, resume
from tests.joint.tiny import tiny_grading_task, tiny_loop, train


def names(folder):
    return [path.name for path in list_steps(folder)]


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, os.remove])
@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.bin", "random-0.safetensors", "state.json"]
)
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(tmp_path, caplog, name, damage):
    train(tiny_grading_task(), tmp_path, checkpoint_every=2, evaluate_every=100)
    damage(tmp_path / "step-00000006" / name)
    loop, _ = resume(tmp_path)
    assert loop.progress.step == 4
    assert f"step-00000006/{name}" in caplog.text
    assert "the one before counts" in caplog.text
    assert names(tmp_path) == ["step-00000004"]
    assert (tmp_path / "last").resolve().name == "step-00000004"


def test_without_any_whole_checkpoint_nothing_starts_afresh(tmp_path, caplog):
    train(tiny_grading_task(), tmp_path)
    for checkpoint in list_steps(tmp_path):
        cut(checkpoint / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"no checkpoint is whole \(step-00000006"):
        resume(tmp_path)


def test_a_damaged_best_checkpoint_is_not_used(tmp_path):
    task = tiny_grading_task()
    scores = iter([0.9, 0.5])
    task.evaluate = lambda predict: {"score": next(scores)}
    loop, _, _ = train(task, tmp_path)
    cut(tmp_path / "best" / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"step-00000003/model.safetensors: not as it was"):
        Checkpoints(tmp_path, IDENTITY).load_best(loop.accelerator, task)
    shutil.rmtree((tmp_path / "best").resolve())
    assert Checkpoints(tmp_path, IDENTITY).load_best(loop.accelerator, task) == 6


FULL_DISK = """
import sys
from pathlib import Path
from joint.resuming.checkpoints import CheckpointError, Checkpoints
from tests.joint.tiny import tiny_grading_task, tiny_loop

folder, ballast = Path(sys.argv[1]), Path(sys.argv[2])
loop = tiny_loop(tiny_grading_task(), steps=6, evaluate_every=100, checkpoint_every=2)

def record(kind, step, values):
    if step == 3:  # leave too little room for one more checkpoint
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
            file.truncate(max(0, file.tell() - 8192))

try:
    loop.run(Checkpoints(folder, {"settings": "a"}), record)
except CheckpointError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=2m none {small}"
    inside = ["unshare", "-Urm", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*inside, mount], check=False).returncode:
        pytest.skip("this system lets nobody mount a small file system")
    kept = tmp_path / "kept"
    script = f"{mount} && {sys.executable} -c '{FULL_DISK}' {small}/run {small}/ballast && "
    copied = f"cp -a {small}/run {kept}"
    done = subprocess.run([*inside, script + copied], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "the checkpoint of step 4 cannot be written with 0.0 MB free" in done.stdout
    assert sorted(path.name for path in kept.iterdir()) == ["last", "step-00000002"]
    assert resume(kept)[0].progress.step == 2


ONE_CANNOT_WRITE = """
import errno
import sys
from pathlib import Path
from joint.resuming import checkpoints
from joint.training.launch import leave_launch
from tests.joint.tiny import tiny_grading_task, tiny_loop

loop = tiny_loop(tiny_grading_task(), steps=6, evaluate_every=100, checkpoint_every=2)
save = checkpoints.save_random_state

def fill(path):
    if loop.accelerator.process_index == 1 and loop.progress.step == 4:
        raise OSError(errno.ENOSPC, "No space left on device")
    save(path)

checkpoints.save_random_state = fill
folder = Path(sys.argv[1])
try:
    loop.run(checkpoints.Checkpoints(folder, {}), lambda kind, step, values: None)
except checkpoints.CheckpointError as error:
    (folder / f"said-{loop.accelerator.process_index}").write_text(str(error))
leave_launch()
"""


def test_where_one_process_cannot_write_all_of_them_end(tmp_path):
    script = tmp_path / "one_cannot_write.py"
    script.write_text(ONE_CANNOT_WRITE, encoding="utf-8")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    here = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, *launch, str(script), str(tmp_path / "run")]
    done = subprocess.run(
        command, env=os.environ | here, check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for process in (0, 1):
        assert "No space left on device" in (tmp_path / "run" / f"said-{process}").read_text()
    assert [path.name for path in list_steps(tmp_path / "run")] == ["step-00000002"]


def test_a_record_on_a_full_disk_is_one_clear_message(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(MetricsLogError, match="step 3 cannot be written: No space left"):
        MetricsLog(tmp_path / "metrics.jsonl").append("train", 3, {"loss": 1.0})


def test_what_differs_is_refused_with_both_values_and_accepted_by_name(tmp_path):
    before = {"labels": "0123456789abcdef", "settings": {"seed": 0, "loop.steps": 6}}
    train_with(tmp_path, before)
    now = {"labels": "fedcba9876543210", "settings": {"seed": 1, "loop.steps": 6}}
    message = r"labels 0123456789ab → fedcba987654, seed 0 → 1\).*--resume-with-other labels --re"
    with pytest.raises(CheckpointError, match=message):
        resume(tmp_path, identity=now)
    with pytest.raises(CheckpointError, match="made from other settings than this run has"):
        resume(tmp_path, identity=now, accept={"labels"})
    loop, checkpoints = resume(
        tmp_path, identity=now, accept={"labels", "settings"}, loop={"steps": 8}
    )
    assert loop.progress.step == 6
    changed = [
        (row["step"], row["part"], row["before"], row["now"]) for row in checkpoints.accepted
    ]
    assert changed == [(6, "labels", *[x["labels"] for x in (before, now)]), (6, "seed", 0, 1)]
    loop.run(checkpoints, ignore)
    _, again = resume(tmp_path, identity=now)  # since then this is what the run is
    assert again.accepted == checkpoints.accepted


def train_with(folder, identity):
    loop = tiny_loop(tiny_grading_task())
    loop.run(Checkpoints(folder, identity), ignore)


def test_another_number_of_processes_is_refused_or_draws_other_random_numbers(tmp_path):
    train_with(tmp_path, IDENTITY)
    pretend_processes(tmp_path / "step-00000006", 4)
    with pytest.raises(CheckpointError, match="processes 4 → 1"):
        resume(tmp_path)
    drawn = []
    for _ in range(2):
        seed_process(3)
        resume(tmp_path, accept={"processes"})
        drawn.append(torch.rand(3))
    seed_process(0, 6)  # the seed of the tiny run, and the step
    assert torch.equal(drawn[0], torch.rand(3))
    assert torch.equal(*drawn)


def pretend_processes(checkpoint, number):
    state = read_state(checkpoint)
    state["identity"]["processes"] = number
    content = state | {"hash": checkpoint_files.hash_json(state)}
    checkpoint_files.write_json(checkpoint / checkpoint_files.STATE_FILE, content)


def test_a_name_that_means_nothing_is_refused():
    assert check_names(["labels"]) == {"labels"}
    with pytest.raises(ChangeError, match="'lables' is nothing to resume with"):
        check_names(["lables"])


def test_a_second_launch_in_a_folder_is_refused(tmp_path):
    accelerator = Accelerator(cpu=True)
    with (
        lock_run(tmp_path, accelerator),
        pytest.raises(RunFolderError, match="another process trains in this folder"),
        lock_run(tmp_path, accelerator),
    ):
        pass
    with lock_run(tmp_path, accelerator):
        pass
