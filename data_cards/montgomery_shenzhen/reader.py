"""Reads Montgomery's and Shenzhen's chest X-rays: tuberculosis or not, and lung masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from data_cards.image_tree import find_folder, find_home, list_images
from data_cards.known_counts import report_counts
from data_cards.montgomery_shenzhen.readings import Reading, read_reading
from data_cards.study import Listing, Skipped, Study, list_studies

IMAGES, READINGS = "CXR_png", "ClinicalReadings"
WAYS = {"montgomeryset", "nlmmontgomerycxrset", "chinasetallfiles", "lungsegmentation", "data"}
MASK_WAYS = {"mask", "masks", *WAYS}
CLASSES = {"0": "normal", "1": "tuberculosis"}


class _Set(NamedTuple):
    """One of the two sets: how its images are called, and how many there are."""

    corpus: str
    name: re.Pattern[str]
    counts: Mapping[str, int]


MONTGOMERY = _Set(
    "montgomery",
    re.compile(r"(?P<patient>MCUCXR_\d+)_(?P<label>[01])$", re.IGNORECASE),
    {"images": 138, "normal": 80, "tuberculosis": 58, "masked images": 138},
)
SHENZHEN = _Set(
    "shenzhen",
    re.compile(r"(?P<patient>CHNCXR_\d+)_(?P<label>[01])$", re.IGNORECASE),
    {"images": 662, "normal": 326, "tuberculosis": 336, "masked images": 566},
)

Masks = Mapping[str, list[str]]
"""Mask files by the stem of their image."""


def read_montgomery(root: Path) -> Listing:
    """List Montgomery's images, each with its left and its right lung mask, in this order.

    `root` is `MontgomerySet` (`CXR_png`, `ManualMask/{leftMask,rightMask}`, `ClinicalReadings`)
    or above it; in Kaggle's `Lung Segmentation` there is one mask of both lungs, in `masks`.
    The class is the last digit of the name; sex and age are the reading's. An image that lacks a
    mask is listed without, and each missing file is named. Raises CorpusError without images.
    """
    return _read(root, MONTGOMERY, _find_montgomery_masks)


def read_shenzhen(root: Path) -> Listing:
    """List Shenzhen's images in the same way; 566 of the 662 have a mask, `…_mask.png`.

    `root` is `ChinaSet_AllFiles` or above it; the masks, which were published apart from it, lie
    in `mask`, `mask/mask` or `masks` beside the images or beside that folder.
    """
    return _read(root, SHENZHEN, _find_shenzhen_masks)


def _read(
    root: Path, of: _Set, find_masks: Callable[[Path, Path, list[Skipped]], Masks]
) -> Listing:
    def has_images(folder: Path) -> bool:
        images = find_folder(folder, IMAGES)
        return images is not None and any(of.name.match(file.stem) for file in images.glob("*_?.*"))

    expected = (
        f"{IMAGES}/ with {'MCUCXR' if of is MONTGOMERY else 'CHNCXR'}_0001_0.png and the like"
    )
    home = find_home(root, WAYS, has_images, expected)
    skipped: list[Skipped] = []
    masks = find_masks(home, root, skipped)
    studies = list(_list_images(home, root, of, masks, skipped))
    orphans = sorted(masks.keys() - {study["study_id"] for study in studies})
    skipped += [
        Skipped(Path(path).relative_to(root).as_posix(), "no such image")
        for stem in orphans
        for path in masks[stem]
    ]
    _compare_counts(of, studies)
    return list_studies(of.corpus, root, studies, skipped)


def _list_images(
    home: Path, root: Path, of: _Set, masks: Masks, skipped: list[Skipped]
) -> Iterator[Study]:
    folder = find_folder(home, IMAGES)
    readings = find_folder(home, READINGS)
    if folder is None:
        return
    where = folder.relative_to(root).as_posix()
    for file, path in list_images(folder, root, skipped).items():
        stem = Path(file).stem
        said = of.name.match(stem)
        if said is None:
            if not _is_of_either(stem):
                skipped.append(Skipped(f"{where}/{file}", "a name that tells no number and label"))
            continue
        reading = Reading()
        if readings is not None:
            at = readings.relative_to(root) / f"{stem}.txt"
            reading = read_reading(root / at, at.as_posix(), skipped)
        yield {
            "corpus": of.corpus,
            "study_id": stem,
            "patient_id": said["patient"],
            "images": [{"path": path, "view": "PA"}],
            "class_name": CLASSES[said["label"]],
            "mask_paths": masks.get(stem),
            "sex": reading.sex,
            "age": reading.age,
        }


def _is_of_either(stem: str) -> bool:
    """Say whether an image is of the other set: one archive of Kaggle holds both."""
    return any(of.name.match(stem) for of in (MONTGOMERY, SHENZHEN))


def _find_montgomery_masks(home: Path, root: Path, skipped: list[Skipped]) -> Masks:
    manual = find_folder(home, "ManualMask")
    if manual is None:
        return _join(MONTGOMERY, [_list_masks(find_folder(home, "masks"), root, skipped)])
    sides = []
    for name in ("leftMask", "rightMask"):
        folder = find_folder(manual, name)
        if folder is None:
            where = (manual / name).relative_to(root).as_posix()
            skipped.append(Skipped(where, "no such folder"))
        sides.append(_list_masks(folder, root, skipped))
    stems = _stems_of_images(home, MONTGOMERY)
    for side, name in zip(sides, ("leftMask", "rightMask"), strict=True):
        where = (manual / name).relative_to(root).as_posix()
        missing = sorted(stems - side.keys()) if side else []
        skipped += [Skipped(f"{where}/{stem}.png", "no such mask") for stem in missing]
    return _join(MONTGOMERY, sides)


def _find_shenzhen_masks(home: Path, root: Path, skipped: list[Skipped]) -> Masks:
    level = [home, root] if root != home else [home]
    for _ in range(2):
        level = [at for folder in level for at in (find_folder(folder, n) for n in MASK_WAYS) if at]
        for folder in level:
            if any(folder.glob("*_mask.*")):
                return _join(SHENZHEN, [_list_masks(folder, root, skipped)])
    return {}


def _stems_of_images(home: Path, of: _Set) -> set[str]:
    images = find_folder(home, IMAGES) or home
    return {file.stem for file in images.iterdir() if of.name.match(file.stem)}


def _list_masks(folder: Path | None, root: Path, skipped: list[Skipped]) -> dict[str, str]:
    if folder is None:
        return {}
    found = list_images(folder, root, skipped)
    return {Path(name).stem.removesuffix("_mask"): path for name, path in found.items()}


def _join(of: _Set, sides: Iterable[Mapping[str, str]]) -> Masks:
    """Put the files of one image together; an image that one side lacks has no mask."""
    every = list(sides)
    shared = set.intersection(*(set(side) for side in every))
    return {stem: [side[stem] for side in every] for stem in shared if of.name.match(stem)}


def _compare_counts(of: _Set, studies: list[Study]) -> None:
    classes = Counter(str(study.get("class_name")) for study in studies)
    masked = sum(1 for study in studies if study.get("mask_paths"))
    found = {"images": len(studies)} | dict(classes)
    report_counts(of.corpus, found | ({"masked images": masked} if masked else {}), of.counts)
