"""The image cache: the same bytes every time, resumable, and never silently wrong."""

from __future__ import annotations

import os
import pickle
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.vision.examples import draw_xray, save_xrays
from vision import cache_block, cache_build, raster_images
from vision.cache import CacheError, CacheSettings, ImageCache, build_cache
from vision.cache_verify import verify_cache
from vision.framing import frame_image, read_for_framing, read_framed, unframe
from vision.images import read_image

SETTINGS = CacheSettings(size=32)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_build, "BLOCK_ROWS", 4)


def stored_bytes(cache: ImageCache) -> dict[str, bytes]:
    """Every file of a cache by its path; the lock and what stands of `folder` left out."""
    files = sorted(file for file in cache.folder.rglob("*") if file.is_file())
    return {str(file.relative_to(cache.folder)): file.read_bytes() for file in files}


def test_images_are_framed_with_their_aspect_kept(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 2)
    Image.fromarray(draw_xray(9, height=200, width=100)).save(paths[1])
    cache = build_cache(paths, tmp_path / "cache", SETTINGS)
    images = cache.read(np.array([1, 0]))
    assert images.shape == (2, 32, 32)
    assert images.dtype == np.uint8
    assert cache.placement_of(0) == (4, 0, 24, 32)
    assert cache.placement_of(1) == (0, 8, 32, 16)
    assert images[0][:, :8].max() == 0
    assert images[0][:, 24:].max() == 0
    assert images[0][:, 8:24].min() > 0
    assert np.array_equal(images[1], read_framed(paths[0], SETTINGS).pixels)
    assert cache.provenance_of(0).sha256 == read_image(paths[0]).provenance.sha256


def test_fine_lines_do_not_alias(tmp_path: Path) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    framed = read_framed(tmp_path / "stripes.png", SETTINGS).pixels
    assert np.abs(framed[:, 2:-2].astype(int) - 128).max() < 10


@pytest.mark.parametrize("shape", [(301, 203), (203, 301), (299, 300), (256, 255)])
def test_a_reduced_decode_does_not_shift_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    monkeypatch.setattr(raster_images, "LEAST_REDUCED_SIDE", 1)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    grey = 128 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)
    path = tmp_path / "xray.jpg"
    Image.fromarray(grey.astype(np.uint8)).save(path, quality=98)
    reduced = read_framed(path, SETTINGS)
    full = frame_image(read_image(path), SETTINGS)
    assert read_image(path, at_least=64).pixels.shape != shape
    assert reduced.placement == full.placement
    assert np.abs(reduced.pixels.astype(int) - full.pixels).max() <= 6


def test_a_map_is_cut_out_of_its_frame(tmp_path: Path) -> None:
    (path,) = save_xrays(tmp_path, 1)
    image = read_image(path)
    framed = frame_image(image, SETTINGS)
    back = unframe(framed.pixels.astype(np.float32) / 255, framed.placement, image.pixels.shape)
    assert back.shape == image.pixels.shape
    assert np.corrcoef(back.ravel(), image.pixels.ravel())[0, 1] > 0.9


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 3)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    missing = tmp_path / "in" / "missing.png"
    cache = build_cache([*paths, missing, paths[0]], tmp_path / "cache", SETTINGS)
    assert len(cache) == 2
    assert [path for path, _ in cache.skipped] == [paths[1], missing]
    assert "truncated" in cache.skipped[0][1]
    assert cache.row_of(paths[2]) == 2
    assert cache.row_of(paths[1]) is None
    with pytest.raises(CacheError, match="it was skipped"):
        cache.read(np.array([1]))


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no images are listed"):
        build_cache([], tmp_path / "cache", SETTINGS)
    with pytest.raises(CacheError, match="none of the 1 listed images can be read"):
        build_cache([tmp_path / "missing.png"], tmp_path / "cache", SETTINGS)


@pytest.mark.usefixtures("small_blocks")
def test_one_or_three_workers_write_the_same_bytes(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 14)
    one = build_cache(paths, tmp_path / "one", SETTINGS, workers=1)
    three = build_cache(paths, tmp_path / "three", SETTINGS, workers=3)
    assert stored_bytes(one) == stored_bytes(three)
    assert one.content_hash == three.content_hash


@pytest.mark.usefixtures("small_blocks")
def test_an_interrupted_build_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = save_xrays(tmp_path / "in", 14)
    whole = build_cache(paths, tmp_path / "whole", SETTINGS)
    decoded: list[str] = []

    def count(path: Path, settings: CacheSettings) -> object:
        decoded.append(path.name)
        if len(decoded) == 10:
            raise KeyboardInterrupt
        return read_for_framing(path, settings)

    monkeypatch.setattr(cache_block, "read_for_framing", count)
    with pytest.raises(KeyboardInterrupt):
        build_cache(paths, tmp_path / "cut", SETTINGS)
    with pytest.raises(CacheError, match="has not finished"):
        ImageCache.open(tmp_path / "cut")
    decoded[:] = []
    monkeypatch.setattr(
        cache_block,
        "read_for_framing",
        lambda p, s: (decoded.append(p.name), read_for_framing(p, s))[1],
    )
    resumed = build_cache(paths, tmp_path / "cut", SETTINGS)
    assert decoded == [path.name for path in paths[8:]], "two finished blocks of four are kept"
    assert stored_bytes(resumed) == stored_bytes(whole)
    assert resumed.content_hash == whole.content_hash


def test_a_second_build_decodes_only_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = save_xrays(tmp_path / "in", 5)
    build_cache(paths[:4], tmp_path / "cache", SETTINGS)
    decoded: list[str] = []
    monkeypatch.setattr(
        cache_block,
        "read_for_framing",
        lambda p, s: (decoded.append(p.name), read_for_framing(p, s))[1],
    )
    build_cache(paths[:4], tmp_path / "cache", SETTINGS)
    assert decoded == []
    os.utime(paths[0], (1, 1))  # touched, same bytes
    Image.fromarray(draw_xray(77)).save(paths[1])
    again = build_cache([paths[4], *paths[:4]], tmp_path / "cache", SETTINGS)
    assert decoded == [paths[4].name, paths[1].name]
    fresh = build_cache([paths[4], *paths[:4]], tmp_path / "fresh", SETTINGS)
    assert stored_bytes(again) == stored_bytes(fresh)
    assert again.content_hash == fresh.content_hash
    assert len(list((tmp_path / "cache").glob("*/shards"))) == 1, "the old one is removed"


def test_other_settings_are_another_cache(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 2)
    small = build_cache(paths, tmp_path / "cache", SETTINGS)
    large = build_cache(paths, tmp_path / "cache", CacheSettings(size=48))
    assert large.read(np.array([0])).shape == (1, 48, 48)
    assert small.content_hash != large.content_hash


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncated", "bytes, expected"),
        ("missing", "0 bytes, expected"),
        ("index", "missing or changed"),
        ("manifest", "not the manifest"),
        ("version", "another version"),
    ],
)
def test_a_damaged_cache_is_not_opened(tmp_path: Path, damage: str, message: str) -> None:
    cache = build_cache(save_xrays(tmp_path / "in", 2), tmp_path / "cache", SETTINGS)
    pixels = next(cache.folder.glob("*/shards/*"))
    index = next(cache.folder.glob("*/index.parquet"))
    manifest = cache.folder / "manifest.json"
    if damage == "truncated":
        os.truncate(pixels, 1000)
    elif damage == "missing":
        pixels.unlink()
    elif damage == "index":
        index.write_bytes(b"PAR1")
    elif damage == "manifest":
        manifest.write_text("{}")
    else:
        manifest.write_text(
            manifest.read_text().replace('"schema_version": 2', '"schema_version": 1')
        )
    with pytest.raises(CacheError, match=message):
        ImageCache.open(cache.folder)


def test_one_flipped_bit_is_found_when_its_row_is_read(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 3)
    folder = build_cache(paths, tmp_path / "cache", SETTINGS).folder
    pixels = next(folder.glob("*/shards/*"))
    data = bytearray(pixels.read_bytes())
    data[32 * 32 + 500] ^= 1
    pixels.write_bytes(data)
    cache = ImageCache.open(folder)
    cache.read(np.array([0, 2]))
    with pytest.raises(CacheError, match="row 1: not the pixels"):
        cache.read(np.array([1]))
    (problem,) = verify_cache(folder).problems
    assert "row 1: not the pixels" in problem


@pytest.mark.parametrize("row", [-1, 2])
def test_unknown_rows_are_refused(tmp_path: Path, row: int) -> None:
    cache = build_cache(save_xrays(tmp_path / "in", 2), tmp_path / "cache", SETTINGS)
    with pytest.raises(IndexError, match="a cache with 2 rows"):
        cache.read(np.array([row]))
    assert cache.read(np.array([], dtype=np.int64)).shape == (0, 32, 32)


def test_too_little_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 1000))
    with pytest.raises(CacheError, match=r"needs 0.0 MB, 0.0 MB are free"):
        build_cache(save_xrays(tmp_path / "in", 2), tmp_path / "cache", SETTINGS)
    assert not list((tmp_path / "cache").glob("*/shards/*"))


def test_a_cache_goes_to_another_process_by_its_folder(tmp_path: Path) -> None:
    cache = build_cache(save_xrays(tmp_path / "in", 2), tmp_path / "cache", SETTINGS)
    other = pickle.loads(pickle.dumps(cache))
    assert np.array_equal(other.read(np.array([1])), cache.read(np.array([1])))


def test_real_files_are_cached(tmp_path: Path, shared_data: Path) -> None:
    dicom = sorted((shared_data / "dicom").glob("*.dcm"))
    photos = sorted((shared_data / "covid_chestxray").rglob("*.jpg"))[:5]
    cache = build_cache([*dicom, *photos, shared_data / "README.md"], tmp_path, SETTINGS)
    assert len(cache) == len(dicom) + len(photos)
    assert [path.name for path, _ in cache.skipped] == ["README.md"]


def test_verify_names_all_that_is_wrong_and_what_does_not_belong(tmp_path: Path) -> None:
    paths = save_xrays(tmp_path / "in", 10)
    folder = build_cache(paths, tmp_path / "cache", SETTINGS).folder
    assert verify_cache(folder, check_sources=True) == (10, ())
    (folder / "notes.txt").write_text("mine")
    shard = next(folder.glob("*/shards/*"))
    data = bytearray(shard.read_bytes())
    data[0] ^= 1
    data[-1] ^= 1
    shard.write_bytes(data)
    problems = verify_cache(folder).problems
    assert len(problems) == 3
    assert [problem.split(":")[0].split("/")[-1] for problem in problems] == [
        *("notes.txt", "000000.u8, row 0", "000000.u8, row 9")
    ]
    paths[4].unlink()
    Image.fromarray(draw_xray(50)).save(paths[5])
    more = set(verify_cache(folder, check_sources=True).problems) - set(problems)
    assert [message.split(": ")[1] for message in sorted(more)] == [
        "the source can't be read (No such file or directory)",
        "the source has changed since it was decoded",
    ]
