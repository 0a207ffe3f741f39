"""Segment many files: a mask for each at its own size, and one table of lung areas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from configs.files import find_overwritten, write_atomically
from vision.framing import read_for_framing
from vision.gate import LATERAL_VIEWS
from vision.grade_table import disarm
from vision.images import ImageError, XrayImage
from vision.segmentation.dicom_seg import write_segmentation
from vision.segmentation.lung_areas import LungAreas, keep_largest, measure_lungs
from vision.segmentation.network import SegmentationError
from vision.segmentation.overlay import draw_overlay
from vision.segmentation.segmenter import Segmenter

TABLE_NAMES = {"lung": "lungs.csv", "infection": "infections.csv"}
COLUMNS = (
    *("path", "sha256", "width", "height", "share", "right_share", "left_share"),
    *("area_cm2", "pieces", "mask", "dicom_seg", "overlay", "warnings", "reason"),
)
"""The columns of the table; `reason` says why a file has no mask, the others are empty then."""
TEXT_COLUMNS = ("path", "mask", "dicom_seg", "overlay", "warnings", "reason")
NAMED_HASH_LETTERS = 8


@dataclass(frozen=True)
class SegmentOptions:
    """What to write of each image: keep: how many of the largest pieces, 0 for all of them."""

    keep: int = 2
    overlays: bool = False
    dicom_seg: bool = True


@dataclass(frozen=True)
class Segmented:
    """What became of the files: `table` has COLUMNS, one row per file; `target` holds it."""

    table: pd.DataFrame
    target: Path

    def summary(self) -> str:
        """Count masks, unreadable files by reason, and warnings."""
        reasons = Counter(self.table["reason"].dropna())
        masks = len(self.table) - sum(reasons.values())
        lines = [f"{masks} of {len(self.table)} images segmented"]
        lines += [f"not read, {reason}: {count}" for reason, count in sorted(reasons.items())]
        warnings = Counter(
            warning.split(":")[0]
            for text in self.table["warnings"].dropna()
            for warning in text.split("; ")
            if warning
        )
        lines += [f"warned, {warning}: {count}" for warning, count in sorted(warnings.items())]
        return "\n".join(lines)


def segment_files(
    segmenter: Segmenter, files: Sequence[Path], out: Path, options: SegmentOptions
) -> Segmented:
    """Write `masks/`, for DICOM `dicom_seg/`, `overlays/` if asked for, and the table.

    A mask is 8-bit grey, 255 inside, of its image's own size as it is
    seen (upright). A file that cannot be read has its reason in the table. Raises
    SegmentationError where a result would overwrite a file that is read.
    """
    outputs = _Outputs(out, frozenset(file.resolve() for file in files))
    records = []
    for file in tqdm(files, unit="image", desc="segment"):
        try:
            records.append(_segment_one(segmenter, file, outputs, options))
        except ImageError as error:
            records.append({"path": _name(file), "reason": error.reason})
    table = pd.DataFrame.from_records(records, columns=list(COLUMNS))
    target = out / TABLE_NAMES[segmenter.structure]
    _write_table(table, target)
    return Segmented(table, target)


def check_out(out: Path, paths: Sequence[Path]) -> None:
    """Raise SegmentationError for an output folder in a folder that is read: its masks would be
    taken for X-rays the next time."""
    for path in paths:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise SegmentationError(f"{out}: lies in {path}, which is read; choose another folder")


@dataclass(frozen=True)
class _Outputs:
    """Where results go, and which files must stand."""

    folder: Path
    inputs: frozenset[Path]

    def place(self, kind: str, file: Path, sha256: str, ending: str) -> Path:
        target = self.folder / kind / f"{file.stem}-{sha256[:NAMED_HASH_LETTERS]}{ending}"
        if find_overwritten([target], self.inputs) is not None:
            raise SegmentationError(f"{target}: is one of the images that are read")
        return target


def _segment_one(
    segmenter: Segmenter, file: Path, outputs: _Outputs, options: SegmentOptions
) -> dict[str, Any]:
    xray = read_for_framing(file, segmenter.input)
    mask = segmenter.segment(xray)
    found = _measure(segmenter, xray, mask)
    warnings = [*xray.provenance.warnings, *_warn(xray), *found.warnings]
    # An infection may have any number of pieces.
    keep = options.keep if segmenter.structure == "lung" else 0
    if keep and found.pieces > keep:
        mask = keep_largest(mask, keep)
        warnings.append(f"smaller pieces left out: {found.pieces - keep}")
        found = _measure(segmenter, xray, mask)
    sha256 = xray.provenance.sha256
    target = outputs.place("masks", file, sha256, ".png")
    _write_png(target, np.where(mask, 255, 0).astype(np.uint8))
    record: dict[str, Any] = {
        "path": _name(file),
        "sha256": sha256,
        "width": xray.provenance.width,
        "height": xray.provenance.height,
        "share": round(found.share, 6),
        "right_share": None if found.right is None else round(found.right, 6),
        "left_share": None if found.left is None else round(found.left, 6),
        "area_cm2": None if found.area_cm2 is None else round(found.area_cm2, 2),
        "pieces": found.pieces,
        "mask": _name(target.relative_to(outputs.folder)),
    }
    if options.overlays:
        overlay = outputs.place("overlays", file, sha256, ".png")
        _write_png(overlay, draw_overlay(xray.pixels, mask))
        record["overlay"] = _name(overlay.relative_to(outputs.folder))
    if options.dicom_seg and xray.provenance.file_format == "DICOM":
        seg = outputs.place("dicom_seg", file, sha256, ".dcm")
        try:
            write_segmentation(
                file, mask, seg, structure=segmenter.structure, model=segmenter.weights_sha256
            )
            record["dicom_seg"] = _name(seg.relative_to(outputs.folder))
        except SegmentationError as error:
            warnings.append(str(error).removeprefix(f"{file}: "))
    record["warnings"] = "; ".join(warnings)
    return record


def _measure(segmenter: Segmenter, xray: XrayImage, mask: NDArray[np.bool_]) -> LungAreas:
    spacing = xray.provenance.pixel_spacing_mm
    found = measure_lungs(mask, spacing_mm=spacing, usual=segmenter.usual_share)
    if segmenter.structure == "lung":
        return found
    return replace(found, right=None, left=None, warnings=())


def _warn(xray: XrayImage) -> list[str]:
    if xray.provenance.view in LATERAL_VIEWS:
        return ["a lateral view: the segmenter knows frontal ones"]
    return []


def _write_png(target: Path, pixels: NDArray[np.uint8]) -> None:
    with write_atomically(target) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", optimize=True)


def _write_table(table: pd.DataFrame, out: Path) -> None:
    table = table.astype({"width": "Int64", "height": "Int64", "pieces": "Int64"})
    for name in TEXT_COLUMNS:
        table[name] = table[name].map(disarm, na_action="ignore")
    with write_atomically(out) as temporary:
        table.to_csv(temporary, index=False)


def _name(path: Path) -> str:
    """File names needn't be valid Unicode; tables must be."""
    return str(path).encode(errors="replace").decode()
