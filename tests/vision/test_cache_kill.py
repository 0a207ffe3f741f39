"""A cache build that is killed (SIGKILL) at any point goes on to the same bytes."""

from __future__ import annotations

import multiprocessing
import random
import signal
from pathlib import Path
from typing import Literal

import pytest

from tests.vision.examples import save_xrays
from tests.vision.killed_build import ROWS, build_until
from vision import cache_build
from vision.cache import CacheSettings, build_cache
from vision.cache_verify import verify_cache

IMAGES = 14
OPERATIONS = 75
"""About so many times such a build opens, renames or deletes a file."""


def stored_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a cache by its path inside the folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def kill_build(point: int, *arguments: object) -> bool:
    """Build in another process; say whether it was killed before it ended."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.vision.killed_build"])
    building = context.Process(target=build_until, args=(point, *arguments))
    building.start()
    building.join()
    assert building.exitcode in (0, -signal.SIGKILL)
    return building.exitcode != 0


@pytest.mark.parametrize(
    "points", [12, pytest.param(100, marks=pytest.mark.slow)], ids="{} points".format
)
@pytest.mark.parametrize("storage", ["raw", "jpeg"])
def test_a_build_killed_anywhere_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: Literal["raw", "jpeg"], points: int
) -> None:
    monkeypatch.setattr(cache_build, "BLOCK_ROWS", ROWS)
    settings = CacheSettings(size=32, storage=storage)
    paths = save_xrays(tmp_path / "in", IMAGES)
    build_cache(paths, tmp_path / "whole", settings)
    whole = stored_bytes(tmp_path / "whole")
    draw = random.Random(points)
    killed = 0
    for number in range(points):
        folder = tmp_path / f"cut{number}"
        killed += kill_build(draw.randint(1, OPERATIONS), tmp_path / "in", folder, settings, 1)
        build_cache(paths, folder, settings)
        assert stored_bytes(folder) == whole, f"killed build {number}"
        assert verify_cache(folder).problems == ()
    assert killed >= points // 2, "most were killed before they had ended"


def test_a_build_killed_again_and_again_with_workers_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_build, "BLOCK_ROWS", ROWS)
    settings = CacheSettings(size=32)
    paths = save_xrays(tmp_path / "in", IMAGES)
    build_cache(paths, tmp_path / "whole", settings)
    folder = tmp_path / "cut"
    for point in (12, 20):
        kill_build(point, tmp_path / "in", folder, settings, 2)
    build_cache(paths, folder, settings, workers=2)
    assert stored_bytes(folder) == stored_bytes(tmp_path / "whole")
