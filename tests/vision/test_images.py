"""Ordinary image files: what is read, how it is turned to grey, and what is noted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.vision.examples import draw_xray
from vision.images import ImageError, read_image


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_lossless_formats_give_the_stored_grey_exactly(tmp_path: Path, ending: str) -> None:
    grey = draw_xray(1)
    path = tmp_path / f"xray.{ending}"
    Image.fromarray(grey).save(path, lossless=True) if ending == "webp" else Image.fromarray(
        grey
    ).save(path)
    image = read_image(path)
    assert image.pixels.dtype == np.float32
    assert np.array_equal(np.rint(image.pixels * 255), grey)
    assert (image.provenance.height, image.provenance.width) == grey.shape
    assert image.provenance.warnings == ()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_stored_in_another_mode_is_the_same_grey(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(draw_xray(2))
    path = tmp_path / "xray.png"
    grey.convert(mode).save(path)
    image = read_image(path)
    assert np.abs(image.pixels * 255 - np.asarray(grey)).max() <= 1
    assert image.provenance.warnings == ()


def test_jpeg_is_read_and_may_be_decoded_at_reduced_size(tmp_path: Path) -> None:
    path = tmp_path / "xray.jpg"
    Image.fromarray(draw_xray(3, height=1200, width=1600)).save(path, quality=95)
    full, reduced = read_image(path), read_image(path, at_least=350)
    assert full.pixels.shape == (1200, 1600)
    assert reduced.pixels.shape == (300, 400)
    assert (reduced.provenance.height, reduced.provenance.width) == (1200, 1600)
    block_means = full.pixels.reshape(300, 4, 400, 4).mean(axis=(1, 3))
    assert np.abs(reduced.pixels - block_means).max() < 0.05


def test_sixteen_bits_need_a_white_level(tmp_path: Path) -> None:
    path = tmp_path / "xray.png"
    stored = draw_xray(4).astype(np.uint16) * 16
    Image.fromarray(stored).save(path)
    with pytest.raises(ImageError, match="16-bit grey without a known scale"):
        read_image(path)
    image = read_image(path, white_level=4095)
    assert np.allclose(image.pixels, stored / 4095, atol=1e-6)
    assert image.provenance.window == (0.0, 4095.0)
    with pytest.raises(ImageError, match="above the white level 1000"):
        read_image(path, white_level=1000)


def test_sixteen_bit_colour_is_not_read_as_eight(tmp_path: Path) -> None:
    path = tmp_path / "xray.png"
    Image.fromarray(draw_xray(4)).convert("RGB").save(path)
    data = bytearray(path.read_bytes())
    data[24] = 16  # bit depth in IHDR; the checksum that follows no longer fits either
    path.write_bytes(data)
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone_and_noted(tmp_path: Path, ending: str, orientation: int) -> None:
    grey = draw_xray(5)
    # How the sensor saw it, by the meaning of each orientation (EXIF 2.3, tag 274).
    stored = {
        1: grey,
        2: np.fliplr(grey),
        3: np.rot90(grey, 2),
        4: np.flipud(grey),
        5: grey.T,
        6: np.rot90(grey, 1),
        7: np.rot90(grey.T, 2),
        8: np.rot90(grey, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"xray.{ending}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(ending, {})
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    image = read_image(path)
    assert np.abs(image.pixels * 255 - grey).max() < (8 if ending == "jpg" else 0.01)
    assert (image.provenance.height, image.provenance.width) == grey.shape
    if ending != "tif":  # Pillow turns TIFF itself
        turned = "turned upright by its EXIF orientation" in image.provenance.warnings
        assert turned == (orientation != 1)


def test_what_is_odd_is_noted(tmp_path: Path) -> None:
    colour = np.zeros((50, 60, 3), np.uint8)
    colour[:25, :, 0], colour[25:, :, 1] = 255, 200
    Image.fromarray(colour).save(tmp_path / "colour.png")
    clear = Image.fromarray(draw_xray(6)).convert("RGBA")
    clear.putalpha(128)
    clear.save(tmp_path / "clear.png")
    Image.fromarray(draw_xray(6) // 8 + 100).save(tmp_path / "flat.png")
    notes = {
        name: " ".join(read_image(tmp_path / f"{name}.png").provenance.warnings)
        for name in ("colour", "clear", "flat")
    }
    assert "colour" in notes["colour"]
    assert "transparent" in notes["clear"]
    assert "low contrast" in notes["flat"]


def test_hash_is_of_the_bytes(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "xray.png"
    Image.fromarray(draw_xray(7)).save(path)
    assert read_image(path).provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("name", "reason"), [("missing.png", "No such file"), ("", "directory")])
def test_what_is_not_a_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_image(tmp_path / name)
