"""Finds a corpus's folder below a root, and lists the image files of one folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from data_cards.image_folder.reader import IMAGE_ENDINGS
from data_cards.study import CorpusError, Skipped

DEEPEST = 4


def plain(name: str) -> str:
    """Give a folder's name in small letters and digits alone: copies differ in the rest of it."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def find_home(
    root: Path, ways: Collection[str], is_home: Callable[[Path], bool], expected: str
) -> Path:
    """Find the folder nearest to `root` that is the corpus's own: `root`, or one below it.

    Only folders whose `plain` name is in `ways` are entered, so that `__MACOSX` and another
    corpus beside this one are not. Raises CorpusError saying what was `expected` where there is
    none.
    """
    level = [root]
    for _ in range(DEEPEST):
        for folder in level:
            if is_home(folder):
                return folder
        level = [
            below for folder in level for below in list_folders(folder) if plain(below.name) in ways
        ]
    raise CorpusError(f"{root}: expected {expected} there")


def list_folders(folder: Path) -> list[Path]:
    """List the folders in a folder, by name; hidden ones and `__MACOSX` are left out."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError as error:
        raise CorpusError(f"{folder}: cannot be read: {error.strerror}") from error
    return [folder / name for name in sorted(names) if not name.startswith((".", "__MACOSX"))]


def find_folder(folder: Path, name: str) -> Path | None:
    """Find the folder of that `plain` name in a folder, or None."""
    wanted = plain(name)
    return next((below for below in list_folders(folder) if plain(below.name) == wanted), None)


def list_images(folder: Path, root: Path, skipped: list[Skipped]) -> dict[str, str]:
    """Give name → path of the image files in a folder, by name, in one look at the disk.

    Hidden files (`.DS_Store`) and folders are passed over; other files are counted in `skipped`
    by their ending, empty images and links that lead nowhere are named there.
    """
    found: dict[str, str] = {}
    others: Counter[str] = Counter()
    where = folder.relative_to(root).as_posix()
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        skipped.append(Skipped(where, f"cannot be read: {error.strerror}"))
        return found
    for entry in ordered:
        if entry.name.startswith(".") or entry.is_dir():
            continue
        ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - for 34,000 names
        if ending not in IMAGE_ENDINGS:
            others[ending or "no ending"] += 1
        elif not entry.is_file():
            skipped.append(Skipped(f"{where}/{entry.name}", "a link that leads nowhere"))
        elif entry.stat().st_size == 0:
            skipped.append(Skipped(f"{where}/{entry.name}", "empty file"))
        else:
            found[entry.name] = entry.path
    skipped += [
        Skipped(where, f"files of a type that is not read: {ending} ({count})")
        for ending, count in sorted(others.items())
    ]
    return found


def pair_masks(
    images: Mapping[str, str],
    masks: Mapping[str, str],
    where: tuple[str, str],
    skipped: list[Skipped],
) -> dict[str, str]:
    """Give image name → mask path; names match without regard to case.

    `skipped` takes images without a mask and masks without an image, but for images that it names
    already: `where` is what comes before the names of either, or holds `{}` for them.
    """
    named = {item.where for item in skipped}
    by_name = {name.casefold(): path for name, path in masks.items()}
    of_images = {name.casefold() for name in images}
    for name in sorted(images):
        if name.casefold() not in by_name:
            skipped.append(Skipped(where[1].replace("{}", name), "no such mask"))
    for name in sorted(masks):
        image = where[0].replace("{}", name)
        if name.casefold() not in of_images and image not in named:
            skipped.append(Skipped(image, "no such image"))
    return {name: by_name[name.casefold()] for name in images if name.casefold() in by_name}
