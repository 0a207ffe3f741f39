"""What a cached image may lose: JPEG storage, and decoding at reduced scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.vision.examples import draw_xray, save_xrays
from vision.cache import CacheSettings, build_cache
from vision.framing import frame_image, read_for_framing, read_framed
from vision.images import read_image


def test_jpeg_rows_are_read_like_raw_ones_and_take_less_room(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 6)
    raw = build_cache(paths, tmp_path / "raw", CacheSettings(size=128))
    jpeg = build_cache(paths, tmp_path / "jpeg", CacheSettings(size=128, storage="jpeg"))
    rows = np.array([5, 0, 3])
    error = raw.read(rows).astype(float) - jpeg.read(rows)
    assert 0 < np.mean(error**2) < 255**2 * 10**-3.8, "38 dB on images that are mostly grain"
    assert jpeg.placement_of(2) == raw.placement_of(2)
    assert jpeg.provenance_of(2) == raw.provenance_of(2)
    assert jpeg.content_hash != raw.content_hash
    sizes = [next(cache.folder.glob("*/shards/*")).stat().st_size for cache in (raw, jpeg)]
    assert sizes[1] < sizes[0] / 2


def test_masks_are_never_stored_as_jpeg(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 2)
    Image.fromarray((draw_xray(0) > 128).astype(np.uint8) * 255).save(paths[0])
    cache = build_cache(paths, tmp_path / "jpeg", CacheSettings(size=64, storage="jpeg"))
    assert [path for path, _ in cache.skipped] == [paths[0]]
    assert "like a mask" in cache.skipped[0][1]
    assert len(build_cache(paths, tmp_path / "raw", CacheSettings(size=64))) == 2


def test_a_reduced_decode_of_a_real_film_is_near_a_full_one(
    tmp_path: Path, shared_data: Path
) -> None:
    film = read_image(shared_data / "dicom" / "RG1_J2KI.dcm").pixels
    path = tmp_path / "film.jpg"
    Image.fromarray(np.rint(film * 255).astype(np.uint8)).save(path, quality=95)
    for size in (512, 320, 224):
        settings = CacheSettings(size=size)
        assert read_for_framing(path, settings).pixels.size < film.size
        reduced = read_framed(path, settings).pixels.astype(float)
        full = frame_image(read_image(path), settings).pixels
        decibels = 10 * np.log10(255**2 / np.mean((reduced - full) ** 2))
        assert decibels >= 50
