"""Reads any tree of images: classes by sub-folder, official splits by folders so named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from data_cards.study import CorpusError, Listing, Skipped, Study, list_studies

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".dcm", ".tif", ".tiff", ".bmp", ".webp")
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validate",
    "valid": "validate",
    "validate": "validate",
    "validation": "validate",
    "test": "test",
    "testing": "test",
}
CONTAINERS = ("images", "image")
"""Folders that say what lies in them and not what it shows."""


def read_image_folder(root: Path) -> Listing:
    """List every image under `root`, one study per file.

    Study id: the path under `root`. Split: the first folder named train, val, validate, test or
    the like. Class: the first folder below the split, else (without splits) the first folder that
    not all images share. Patient: the file's stem, within its split. Hidden files, `__MACOSX`,
    and folders whose name says mask are not read; what else was left out is listed.
    Raises CorpusError when there is no image.
    """
    if not root.is_dir():
        raise CorpusError(f"{root}: not a folder; expected a tree of images")
    files: list[Path] = []
    skipped: list[Skipped] = []
    for folder, names in _walk(root, skipped):
        endings: Counter[str] = Counter()
        for name in names:
            file = folder / name
            if file.suffix.lower() not in IMAGE_ENDINGS:
                endings[file.suffix.lower() or "no ending"] += 1
            elif file.is_file() and file.stat().st_size == 0:
                skipped.append(Skipped(file.relative_to(root).as_posix(), "empty file"))
            else:
                files.append(file.relative_to(root))
        where = folder.relative_to(root).as_posix()
        skipped += [
            Skipped(where, f"files of a type that is not read: {ending} ({count})")
            for ending, count in sorted(endings.items())
        ]
    levels = zip(*(_folders(file) for file in files), strict=False)
    shared = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, levels))
    studies = [_make_study(root, file, shared) for file in files]
    return list_studies("image_folder", root, studies, skipped)


def _walk(root: Path, skipped: list[Skipped]) -> Iterator[tuple[Path, list[str]]]:
    """Walk in the order of names; folders that are not entered are listed in `skipped`."""

    def note_unreadable(error: OSError) -> None:
        where = Path(error.filename).relative_to(root).as_posix()
        skipped.append(Skipped(where, f"cannot be read: {error.strerror}"))

    for current, folders, names in os.walk(root, onerror=note_unreadable):
        folder = Path(current)
        entered = []
        for name in sorted(folders):
            where = (folder / name).relative_to(root).as_posix()
            if (folder / name).is_symlink():
                skipped.append(Skipped(where, "a link to a folder; links are not followed"))
            elif "mask" in name.lower():
                skipped.append(Skipped(where, "a folder of masks"))
            elif not name.startswith((".", "__MACOSX")):
                entered.append(name)
        folders[:] = entered
        yield folder, sorted(name for name in names if not name.startswith("."))


def _folders(file: Path) -> list[str]:
    return [name for name in file.parts[:-1] if name.lower() not in CONTAINERS]


def _make_study(root: Path, file: Path, shared: int) -> Study:
    split, class_name = _place(_folders(file), shared)
    return {
        "corpus": "image_folder",
        "study_id": file.as_posix(),
        "patient_id": f"{split}/{file.stem}" if split else file.stem,
        "images": [{"path": str(root / file)}],
        "split": split,
        "class_name": class_name,
    }


def _place(folders: list[str], shared: int) -> tuple[str | None, str | None]:
    """Return split and class; `shared` is the number of leading folders common to all images."""
    for depth, name in enumerate(folders):
        if name.lower() in SPLIT_FOLDERS:
            above = folders[min(shared, depth) : depth]
            below = folders[depth + 1 :]
            return SPLIT_FOLDERS[name.lower()], next(iter(below or above), None)
    below = folders[shared:] or folders[-1:]
    return None, next(iter(below), None)
