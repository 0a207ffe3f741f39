"""Read broken copies of good files and say what came of it; run in a process of its own.

    python -m tests.vision.mutated_files FOLDER

A copy that takes over ALARM_SECONDS ends the process by SIGALRM, which no decoder can catch; the
last line it has printed then names the copy.
"""

from __future__ import annotations

import collections
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset

from tests.vision.examples import draw_xray, make_dicom
from tests.vision.test_transfer_syntaxes import STORED as STREAMS_BY_SYNTAX
from tests.vision.test_transfer_syntaxes import STREAMS, write
from vision.images import ImageError, read_image

DICOM_MUTANTS, OTHER_MUTANTS = 600, 240
ALARM_SECONDS = 20
PLANTED = "PLANTED^NAME"
Mutation = Callable[[bytearray, np.random.Generator], bytes]


def main() -> None:
    folder = Path(sys.argv[1])
    dicoms, others = write_dicoms(folder), write_others(folder)
    rng = np.random.default_rng(0)
    counts: collections.Counter[str] = collections.Counter()
    problems: list[str] = []
    for paths, count in ((dicoms, DICOM_MUTANTS), (others, OTHER_MUTANTS)):
        for number in range(count):
            source = paths[number % len(paths)]
            mutation = MUTATIONS[number // len(paths) % len(MUTATIONS)]
            mutant = folder / f"{number:04d}-{mutation.__name__}-{source.name}"
            mutant.write_bytes(mutation(bytearray(source.read_bytes()), rng))
            sys.stdout.write(f"{mutant.name}\n")
            sys.stdout.flush()
            signal.alarm(ALARM_SECONDS)
            counts[read(mutant, problems)] += 1
            signal.alarm(0)
            mutant.unlink()
    sys.stdout.write(json.dumps({"counts": counts, "problems": problems}))


def read(path: Path, problems: list[str]) -> str:
    """Say "read" or "refused"; add to `problems` what is neither."""
    try:
        pixels = read_image(path, white_level=65535).pixels
    except ImageError as error:
        if PLANTED in str(error):
            problems.append(f"{path.name}: the message quotes the file")
        return "refused"
    except BaseException as error:  # noqa: BLE001 - whatever else comes out is the finding
        problems.append(f"{path.name}: {type(error).__name__}")
        return "broke"
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        problems.append(f"{path.name}: pixels outside [0, 1]")
    return "read"


def write_dicoms(folder: Path) -> list[Path]:
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = (np.arange(4096, dtype=np.uint16) * 16).tobytes()
    stored = draw_xray(1).astype(np.uint16) * 16
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "RescaleSlope": 1, "RescaleIntercept": 0}
    made = {
        "window": make_dicom(stored, **window, ImagerPixelSpacing=[0.2, 0.2], ViewPosition="PA"),
        "table": make_dicom(stored, VOILUTSequence=[table], PixelPaddingValue=0),
        "modality": make_dicom(stored, ModalityLUTSequence=[table]),
        "monochrome1": make_dicom(stored, PhotometricInterpretation="MONOCHROME1"),
    }
    for name, syntax in (
        ("implicit", uid.ImplicitVRLittleEndian),
        ("deflated", uid.DeflatedExplicitVRLittleEndian),
    ):
        made[name] = make_dicom(stored, **window)
        made[name].file_meta.TransferSyntaxUID = syntax
    for name, syntax in (("rle", uid.RLELossless), ("j2k", uid.JPEG2000Lossless)):
        made[name] = make_dicom(stored, **window)
        made[name].compress(syntax, generate_instance_uid=False)
    paths = [folder / f"{name}.dcm" for name in made]
    for path, dataset in zip(paths, made.values(), strict=True):
        dataset.save_as(path, enforce_file_format=True)
    for name, (file, _) in STREAMS_BY_SYNTAX.items():
        stream = (STREAMS / file).read_bytes()
        paths.append(write(folder / f"{Path(file).stem}-{name[-3:]}.dcm", name, stream, **window))
    return paths


def write_others(folder: Path) -> list[Path]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, PLANTED
    grey = Image.fromarray(draw_xray(1))
    options: dict[str, dict[str, object]] = {
        "a.png": {"exif": exif},
        "a.jpg": {"exif": exif},
        "progressive.jpg": {"progressive": True},
        "a.webp": {"exif": exif},
        "lzw.tif": {"compression": "tiff_lzw"},
        "a.tif": {},
        "a.bmp": {},
    }
    for name, saving in options.items():
        grey.save(folder / name, **saving)
    Image.fromarray(draw_xray(1).astype(np.uint16) * 200).save(folder / "sixteen.png")
    grey.convert("RGBA").save(folder / "alpha.png")
    return [*(folder / name for name in options), folder / "sixteen.png", folder / "alpha.png"]


def change_header(data: bytearray, rng: np.random.Generator) -> bytes:
    for position in rng.integers(0, min(len(data), 900), rng.integers(1, 8)):
        data[position] = rng.integers(0, 256)
    return bytes(data)


def change_anything(data: bytearray, rng: np.random.Generator) -> bytes:
    for position in rng.integers(0, len(data), rng.integers(1, 30)):
        data[position] ^= 1 << rng.integers(0, 8)
    return bytes(data)


def put_extremes(data: bytearray, rng: np.random.Generator) -> bytes:
    """Whole fields of ones or zeros: lengths, counts and offsets at their limits."""
    for position in rng.integers(4, min(len(data), 1500), rng.integers(1, 4)):
        width = int(rng.choice([1, 2, 4]))
        data[position : position + width] = rng.choice([b"\xff", b"\0", b"\x7f"]) * width
    return bytes(data)


def cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: rng.integers(1, len(data))])


def repeat_a_part(data: bytearray, rng: np.random.Generator) -> bytes:
    first, last = sorted(rng.integers(0, len(data), 2))
    return bytes(data[:last] + data[first:])


def leave_a_part_out(data: bytearray, rng: np.random.Generator) -> bytes:
    first = int(rng.integers(0, len(data)))
    return bytes(data[:first] + data[first + int(rng.integers(1, 64)) :])


MUTATIONS: tuple[Mutation, ...] = (
    change_header,
    change_anything,
    put_extremes,
    cut,
    repeat_a_part,
    leave_a_part_out,
)

if __name__ == "__main__":
    main()
