"""Mask files of every kind, fitted to their image and framed as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_cards.chexmask.reader import read_chexmask
from tests.vision.examples import save_xrays
from tests.vision.segmenters import SIZE, as_sources, draw_lungs, make_data, save_pairs
from vision.cache import CacheSettings, build_cache
from vision.framing import place, unframe
from vision.segmentation.chexmask_masks import TableMask
from vision.segmentation.mask_cache import build_mask_cache
from vision.segmentation.mask_files import (
    INSIDE,
    UNKNOWN,
    MaskSettings,
    frame_mask,
    interpret,
    read_mask,
)
from vision.segmentation.network import SegmentationError
from vision.xray_image import ImageError

LUNGS = draw_lungs()
SHAPE = LUNGS.shape


def one_bit(path: Path) -> None:
    Image.fromarray(LUNGS).save(path)


def palette(path: Path) -> None:
    image = Image.fromarray(LUNGS.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 90, 0, 0])
    image.save(path)


def grey(top: int, kind: type = np.uint8):
    return lambda path: Image.fromarray(LUNGS.astype(kind) * kind(top)).save(path)


def coloured(path: Path) -> None:
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    half = np.arange(SHAPE[1]) < SHAPE[1] // 2
    pixels[LUNGS & half, 0] = 255
    pixels[LUNGS & ~half, 1] = 255
    Image.fromarray(pixels).save(path)


def with_alpha(path: Path) -> None:
    pixels = np.zeros((*SHAPE, 4), np.uint8)
    pixels[..., :3][LUNGS] = 255
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    "save",
    [one_bit, palette, grey(1), grey(255), grey(65535, np.uint16), coloured, with_alpha],
    ids=["1 bit", "palette", "0/1", "0/255", "16 bits", "left green, right red", "RGBA"],
)
def test_masks_of_every_kind_are_read_alike(tmp_path: Path, save) -> None:
    save(tmp_path / "mask.png")
    mask = read_mask([tmp_path / "mask.png"], SHAPE, MaskSettings())
    np.testing.assert_array_equal(mask == INSIDE, LUNGS)
    assert not (mask == UNKNOWN).any()


def test_a_mask_kept_as_jpeg_is_cut_between_its_two_values(tmp_path: Path) -> None:
    Image.fromarray(LUNGS.astype(np.uint8) * 255).save(tmp_path / "mask.jpg", quality=80)
    mask = read_mask([tmp_path / "mask.jpg"], SHAPE, MaskSettings())
    assert (mask == LUNGS).mean() > 0.99


@pytest.mark.parametrize(
    ("settings", "inside", "unknown"),
    [
        (MaskSettings(inside=(255,), unknown=(127,)), [255], [127]),
        (MaskSettings(inside="nonzero"), [64, 127, 255], []),
        (MaskSettings(inside="upper_half"), [255], []),
        (MaskSettings(inside=(64, 255)), [64, 255], []),
    ],
)
def test_settings_say_what_values_mean(settings, inside, unknown) -> None:
    values = np.array([[0, 64], [127, 255]], np.uint8)
    mask = interpret(Path("mask.png"), values, settings)
    np.testing.assert_array_equal(mask == INSIDE, np.isin(values, inside))
    np.testing.assert_array_equal(mask == UNKNOWN, np.isin(values, unknown))


def test_several_values_without_a_meaning_are_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127, 255]], np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match=r"mask\.png: a mask of the values 0, 127, 255; say which"):
        read_mask([tmp_path / "mask.png"], (1, 3), MaskSettings())


def test_the_mask_is_resized_to_the_image_and_only_its_own_values_occur(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).save(tmp_path / "mask.png")
    mask = read_mask([tmp_path / "mask.png"], (6, 4), MaskSettings())
    expected = np.kron([[0, 1], [1, 0]], np.ones((3, 2)))
    np.testing.assert_array_equal(mask, expected)


def test_left_and_right_lung_are_joined(tmp_path: Path) -> None:
    half = np.arange(SHAPE[1]) < SHAPE[1] // 2
    for name, part in (("left", LUNGS & ~half), ("right", LUNGS & half)):
        Image.fromarray(part.astype(np.uint8) * 255).save(tmp_path / f"{name}.png")
    files = [tmp_path / "left.png", tmp_path / "right.png"]
    np.testing.assert_array_equal(read_mask(files, SHAPE, MaskSettings()), LUNGS)


@pytest.mark.parametrize("shape", [(90, 120), (200, 64), (31, 33)])
def test_framing_a_mask_is_undone_by_unframing(shape: tuple[int, int]) -> None:
    mask = draw_lungs(height=shape[0], width=shape[1])
    where = place(shape, 128)
    framed = frame_mask(mask.astype(np.uint8), where, 128)
    outside = framed.copy()
    outside[where.top : where.top + where.height, where.left : where.left + where.width] = 0
    assert not outside.any()
    back = unframe(framed.astype(np.float32), where, shape) >= 0.5
    assert (back == mask).mean() > 0.985


def test_masks_lie_under_their_images_in_the_caches(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    pixels, masks = data.cache.read(data.cache_rows), data.masks.read(data.mask_rows)
    assert masks.shape == (6, SIZE, SIZE)
    for image, mask in zip(pixels, masks, strict=True):
        inside = image[mask == INSIDE].mean()
        body = image[SIZE // 4 : 3 * SIZE // 4][mask[SIZE // 4 : 3 * SIZE // 4] == 0].mean()
        assert inside < 100 < body


def test_a_mask_that_cannot_be_read_is_listed_and_the_cache_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images, masks = save_pairs(tmp_path, 3)
    masks[1].write_bytes(b"no mask")
    cache = build_cache(images, tmp_path / "cache", CacheSettings(size=SIZE))
    arguments = (cache, np.arange(3), as_sources(masks), tmp_path / "m")
    built = build_mask_cache(*arguments)
    assert [(row, path.name) for row, path, _ in built.skipped] == [(1, "case1.png")]
    assert built.readable.tolist() == [True, False, True]
    assert "1 of 3 masks skipped" in caplog.text
    (file,) = tmp_path.glob("m/*/masks.npy")
    written = file.stat().st_mtime_ns
    build_mask_cache(*arguments)
    assert file.stat().st_mtime_ns == written
    Image.fromarray(LUNGS).save(masks[1])
    assert build_mask_cache(*arguments).readable.all()


def test_masks_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    cache = build_cache(save_xrays(tmp_path, 1), tmp_path / "c", CacheSettings(size=SIZE))
    with pytest.raises(SegmentationError, match="none of the 1 masks can be read"):
        build_mask_cache(cache, np.arange(1), as_sources([tmp_path / "no.png"]), tmp_path / "m")


def test_a_mask_of_a_table_lies_where_its_file_would(tmp_path: Path) -> None:
    images, _ = save_pairs(tmp_path, 2)
    table = tmp_path / "ChestX-Ray8.csv"
    flat = np.concatenate([[False], LUNGS.ravel(), [False]]).astype(int)
    starts, ends = (np.flatnonzero(np.diff(flat) == step) + 1 for step in (1, -1))
    runs = " ".join(f"{start} {end - start}" for start, end in zip(starts, ends, strict=True))
    names = ("Image Index", "Dice RCA (Mean)", "Left Lung", "Right Lung", "Heart")
    header = ",".join((*names, "Height", "Width"))
    rows = [f"case0.png,0.9,{runs},,,90,120", f"case1.png,0.2,{runs},,,90,120"]
    table.write_text("\n".join((header, *rows)) + "\n")
    known = read_chexmask(table)
    mask = TableMask(known, images[0], 0.7).read((180, 240))
    assert (mask == draw_lungs(height=180, width=240)).mean() > 0.98
    with pytest.raises(ImageError, match=r"case1\.png: no mask of it in CheXmask's table"):
        TableMask(known, images[1], 0.7).read((90, 120))
