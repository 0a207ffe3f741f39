"""Write a corpus of hostile image files: bombs, lies, loops, and things that are no images."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import numpy as np
from hostile_dicoms import compressed_dicoms, dicoms, radiograph, saved
from hostile_rasters import ZEROS, bmps, jpegs, png, pngs, small_jpeg, strangers, tiffs, webps
from PIL import Image
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, RLELossless


def write_corpus(folder: Path) -> list[Path]:
    """Write every hostile file into `folder`; returns their paths, named kind-what."""
    paths = []
    for name, content in contents().items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths + write_strange_nodes(folder)


def write_good(folder: Path) -> list[Path]:
    """Write one readable file of each decoder, to have all of them loaded before measuring."""
    rows, columns = np.mgrid[0:64, 0:80]
    grey = Image.fromarray((3 * rows + 2 * columns % 90).astype(np.uint8) % 255)
    paths = [folder / f"good.{ending}" for ending in ("png", "jpg", "tif", "bmp", "webp")]
    for path in paths:
        grey.save(path)
    for name, syntax in (
        ("plain", ExplicitVRLittleEndian),
        ("j2k", JPEG2000),
        ("rle", RLELossless),
    ):
        dataset = radiograph()
        if syntax != ExplicitVRLittleEndian:
            options = {"j2k_psnr": [60]} if syntax == JPEG2000 else {}
            dataset.compress(syntax, generate_instance_uid=False, **options)
        paths.append(folder / f"good-{name}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def contents() -> dict[str, bytes]:
    return {
        name: content
        for make in (
            pngs,
            jpegs,
            tiffs,
            bmps,
            webps,
            strangers,
            dicoms,
            compressed_dicoms,
            cut_short,
        )
        for name, content in make().items()
    }


def cut_short() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(0, 256, (300, 400), dtype=np.uint8))
    wholes = {}
    for ending in ("png", "jpg", "tif", "bmp", "webp"):
        buffer = io.BytesIO()
        noisy.save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
        wholes[ending] = buffer.getvalue()
    wholes["dcm"] = saved(radiograph())
    packed = radiograph()
    packed.compress(RLELossless, generate_instance_uid=False)
    wholes["rle.dcm"] = saved(packed)
    return {
        f"cut-at-{percent:02d}-percent.{ending}": whole[: len(whole) * percent // 100]
        for ending, whole in wholes.items()
        for percent in (3, 40, 98)
    }


def write_strange_nodes(folder: Path) -> list[Path]:
    """Make what is no regular file, and sparse files that no one wants to write whole."""
    paths = {
        name: folder / name
        for name in (
            "folder.png",
            "pipe.png",
            "socket.png",
            "device.png",
            "link-to-itself.png",
            "link-to-nothing.png",
            "locked.png",
            "missing.png",
            "name-of-300-letters" + "g" * 281,
        )
    }
    paths["folder.png"].mkdir()
    os.mkfifo(paths["pipe.png"])
    with socket.socket(socket.AF_UNIX) as made, Here(folder):
        made.bind("socket.png")
    paths["device.png"].symlink_to("/dev/zero")
    paths["link-to-itself.png"].symlink_to("link-to-itself.png")
    paths["link-to-nothing.png"].symlink_to("nothing.png")
    paths["locked.png"].write_bytes(small_jpeg())
    paths["locked.png"].chmod(0)
    for name, start in (
        ("zeros-of-200-mb.png", b""),
        ("magic-and-200-mb.png", png(600, 600, ZEROS)),
        ("dicom-private-200-mb.dcm", saved(radiograph())),
        ("file-of-9-gb.dcm", b""),
    ):
        with (folder / name).open("wb") as file:
            file.write(start)
            file.truncate((9 << 30) if "9-gb" in name else (200 << 20))
    return [*paths.values(), folder / "dicom-private-200-mb.dcm", folder / "file-of-9-gb.dcm"]


class Here:
    """Stand in a folder for a while: the address of a socket must be short."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = Path.cwd()
        os.chdir(self.folder)

    def __exit__(self, *error: object) -> None:
        os.chdir(self.before)
