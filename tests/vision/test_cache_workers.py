"""A worker of a cache build that is killed ends the build with one clear error, not a wait."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.vision.examples import draw_xray
from vision import cache_build
from vision.cache import CacheError, CacheSettings, build_cache

IMAGES, SIDE = 120, 1200


def kill_a_worker_after_the_first_block(folder: Path) -> None:
    while not any(folder.glob("*/blocks/*.json")):
        time.sleep(0.01)
    os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)


def test_a_killed_worker_is_a_clear_error_and_its_blocks_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    pixels = np.tile(draw_xray(1, height=120, width=120), (SIDE // 120, SIDE // 120))
    Image.fromarray(pixels).save(sources / "000.png")
    for number in range(1, IMAGES):
        os.link(sources / "000.png", sources / f"{number:03d}.png")
    paths = sorted(sources.iterdir())
    monkeypatch.setattr(cache_build, "BLOCK_ROWS", 4)
    folder, settings = tmp_path / "cache", CacheSettings(size=64)
    killer = threading.Thread(
        target=kill_a_worker_after_the_first_block, args=(folder,), daemon=True
    )
    killer.start()
    with pytest.raises(CacheError, match="a worker of the image cache died"):
        build_cache(paths, folder, settings, workers=2)
    killer.join(timeout=60)
    assert multiprocessing.active_children() == []
    done = len(list(folder.glob("*/blocks/*.json")))
    assert 0 < done < IMAGES // 4
    assert len(build_cache(paths, folder, settings)) == IMAGES
