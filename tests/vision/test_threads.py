"""How many threads are chosen for which quota and load."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vision.threads import choose_threads
from vision.torch_engine import hold_threads


@pytest.mark.parametrize(
    ("cores", "files", "load", "expected"),
    [
        (4, {}, "0.10", 4),
        (4, {}, "2.60", 1),
        (4, {}, "1.20", 3),
        (4, {}, "40.0", 1),
        (64, {}, "0.00", 8),
        (64, {"cpu.max": "max 100000"}, "0.00", 8),
        (64, {"cpu.max": "200000 100000"}, "3.00", 2),
        (64, {"cpu.max": "50000 100000"}, "0.00", 1),
        (64, {"cpu.max": "400000 100000"}, "62.2", 2),
        (16, {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, "0.00", 3),
        (4, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "0.00", 4),
        (4, {"cpu.max": "no number"}, "no number", 4),
        (4, {}, "", 4),
    ],
)
def test_threads_follow_quota_and_load(
    tmp_path: Path, cores: int, files: dict[str, str], load: str, expected: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "loadavg").write_text(f"{load} 0.5 0.4 1/100 999\n" if load else "")
    chosen = choose_threads(cgroup=tmp_path, loadavg=tmp_path / "loadavg", cores=cores)
    assert chosen == expected


def test_this_machine_has_at_least_one(tmp_path: Path) -> None:
    assert 1 <= choose_threads() <= 8
    assert choose_threads(cgroup=tmp_path / "none", loadavg=tmp_path / "none", cores=3) == 3


def test_torch_has_its_own_threads_back_after_scoring() -> None:
    before = torch.get_num_threads()
    with hold_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
