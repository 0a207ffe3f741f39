"""Grade many files into one table: CSV, JSON or Parquet, one row per image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from tqdm import tqdm

from configs.files import write_atomically, write_json
from data_cards.findings import SEVERITY_LEVELS, SEVERITY_NAMES
from vision.grader import Grade, Grader
from vision.images import IMAGE_SUFFIXES

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
TEXT_COLUMNS = ("path", "reason", "warnings")
LEVEL_COLUMNS = ("severity", "severity_low", "severity_high")
OUT_FORMATS = (".csv", ".json", ".parquet")
DICOM_HEAD_BYTES = 132


class GradeTableError(ValueError):
    """Paths to grade or a table to write that can't be; the message names it."""


@dataclass(frozen=True)
class FoundImages:
    """Files to grade, in order, and how many others the folders held."""

    files: tuple[Path, ...]
    ignored: int


def find_images(paths: Sequence[Path]) -> FoundImages:
    """List files as given and the images below folders (by ending, or DICOM without one).

    Raises GradeTableError for a path that isn't there, or when no image is found at all.
    """
    files: list[Path] = []
    ignored = 0
    for path in paths:
        if path.is_dir():
            below = [file for file in sorted(path.rglob("*")) if file.is_file()]
            images = [file for file in below if _looks_like_image(file)]
            files += images
            ignored += len(below) - len(images)
        elif path.exists():
            files.append(path)
        else:
            raise GradeTableError(f"{path}: no such file or folder")
    if not files:
        raise GradeTableError(f"{', '.join(map(str, paths))}: no image to grade")
    return FoundImages(tuple(dict.fromkeys(files)), ignored)


def check_out(out: Path) -> None:
    """Raise GradeTableError unless the file's ending is one that `write_grades` knows."""
    if out.suffix not in OUT_FORMATS:
        raise GradeTableError(f"{out}: expected a file ending in {', '.join(OUT_FORMATS)}")


def grade_files(
    grader: Grader, files: Sequence[Path], *, heatmaps: Path | None = None
) -> list[Grade]:
    """Grade files with a progress bar; with `heatmaps`, an overlay PNG for each readable one."""
    grades = []
    for file in tqdm(files, unit="image", desc="grade"):
        grade = grader(file)
        grades.append(grade)
        if heatmaps is not None and grade.severity is not None:
            _write_heatmap(grader, file, heatmaps / name_heatmap(file, grade))
    return grades


def name_heatmap(file: Path, grade: Grade) -> str:
    """Name of the overlay of a file: its stem and the start of its hash."""
    return f"{file.stem}-{(grade.sha256 or '')[:8]}.png"


def tabulate(files: Sequence[Path], grades: Sequence[Grade]) -> list[dict[str, Any]]:
    """One record per image: path, sha256, severity, p0 to p3, findings, abstention, warnings.

    `<finding>` is 1 where its probability `<finding>_p` reaches the operating point, else 0.
    `severity_low` and `severity_high`, the range of likely grades, are there for a grader with
    conformal sets. What an unreadable file has no value for is None.
    """
    findings = next((list(grade.findings) for grade in grades if grade.findings), [])
    records = [_tabulate_one(file, g, findings) for file, g in zip(files, grades, strict=True)]
    if any(grade.severity_range for grade in grades):
        for record, grade in zip(records, grades, strict=True):
            low, high = grade.severity_range or (None, None)
            record |= {"severity_low": low, "severity_high": high}
    return records


def write_grades(records: Sequence[dict[str, Any]], out: Path) -> None:
    """Write records atomically as `.csv`, `.json` or `.parquet`.

    In CSV, text that a spreadsheet would run as a formula starts with an apostrophe.
    """
    check_out(out)
    if out.suffix == ".json":
        write_json(out, list(records))
        return
    table = pd.DataFrame.from_records(list(records))
    whole = [name for name in table if name in LEVEL_COLUMNS or f"{name}_p" in table]
    table = table.astype(dict.fromkeys(whole, "Int8"))
    with write_atomically(out) as temporary:
        if out.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            for name in TEXT_COLUMNS:
                table[name] = table[name].map(disarm, na_action="ignore")
            table.to_csv(temporary, index=False)


def summarise(grades: Sequence[Grade]) -> str:
    """Counts by severity, and by why the grader abstained."""
    trusted = Counter(grade.severity for grade in grades if not grade.abstain)
    reasons = Counter(str(g.reason).split(":")[0].split(" (")[0] for g in grades if g.abstain)
    lines = [f"{len(grades)} images, {sum(trusted.values())} graded"]
    lines += [f"  {level} {name}: {trusted[level]}" for level, name in enumerate(SEVERITY_NAMES)]
    lines += [f"abstained, {reason}: {count}" for reason, count in sorted(reasons.items())]
    return "\n".join(lines)


def _looks_like_image(file: Path) -> bool:
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return True
    if file.suffix:
        return False
    try:
        with file.open("rb") as opened:
            return opened.read(DICOM_HEAD_BYTES)[-4:] == b"DICM"
    except OSError:
        return True  # grading it will say why it can't be read


def _write_heatmap(grader: Grader, file: Path, target: Path) -> None:
    # Here, since it brings torch: grading without heatmaps starts in a second.
    from vision.explain import overlay

    xray, heatmap = grader.explain(file)
    with write_atomically(target) as temporary:
        Image.fromarray(overlay(xray.pixels, heatmap)).save(temporary, format="PNG")


def _tabulate_one(file: Path, grade: Grade, findings: Sequence[str]) -> dict[str, Any]:
    levels = grade.probabilities or (None,) * SEVERITY_LEVELS
    record: dict[str, Any] = {
        # File names needn't be valid Unicode; tables must be.
        "path": str(file).encode(errors="replace").decode(),
        "sha256": grade.sha256,
        "severity": grade.severity,
        **{f"p{level}": levels[level] for level in range(SEVERITY_LEVELS)},
    }
    for name in findings:
        present = grade.present.get(name)
        record[name] = None if present is None else int(present)
        record[f"{name}_p"] = grade.findings.get(name)
    record |= {
        "abstain": grade.abstain,
        "reason": grade.reason,
        "warnings": "; ".join(grade.warnings),
    }
    return record


def disarm(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    """Put an apostrophe before a text that a spreadsheet would run as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
