"""Reads COVID-QU-Ex: classes and lung masks, or infection masks, in the folders of its archive."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_cards.image_tree import (
    find_folder,
    find_home,
    list_folders,
    list_images,
    pair_masks,
    plain,
)
from data_cards.known_counts import report_counts
from data_cards.study import CorpusError, Listing, Skipped, Study, list_studies

logger = logging.getLogger(__name__)

ARCHIVE = "covidquexdataset"
PARTS = {"lung": "Lung Segmentation Data", "infection": "Infection Segmentation Data"}
SPLIT_FOLDERS = {"Train": "train", "Val": "validate", "Test": "test"}
CLASSES = ("COVID-19", "Non-COVID", "Normal")
_BIMCV = re.compile(r"(sub-S\d+)_ses-", re.IGNORECASE)
_BIMCV_VIEW = re.compile(r"_vp-(ap|pa)(?=[_.])", re.IGNORECASE)

_COUNTS = {
    "lung": {
        "Train": (7_658, 7_208, 6_849),
        "Val": (1_903, 1_802, 1_712),
        "Test": (2_395, 2_253, 2_140),
    },
    "infection": {"Train": (1_864, 932, 932), "Val": (466, 233, 233), "Test": (583, 292, 291)},
}


class _Found(NamedTuple):
    """One image; `key` is split/class/name, whatever folders lie above."""

    key: str
    path: str
    mask: str | None
    split: str
    class_name: str


def read_covid_qu_ex(root: Path) -> Listing:
    """List the lung part, whose masks are of the lungs; it is the larger, and holds all images.

    `root` may be the archive's folder, the one above it, or any below down to the one that holds
    Train, Val and Test. Each image is a study, and a patient of its own except where its name
    gives one (BIMCV's `sub-S…_ses-…`). An image of such a patient is left out and listed where
    the patient has images in a later split too (train, validate, test). Raises CorpusError when
    the folders are not there.
    """
    return _read(root, "covid_qu_ex", "lung")


def read_covid_qu_ex_infection(root: Path) -> Listing:
    """List the infection part in the same way; its masks are of the infection, not of the lungs."""
    return _read(root, "covid_qu_ex_infection", "infection")


def _read(root: Path, corpus: str, part: str) -> Listing:
    home = _find_part(root, part)
    skipped: list[Skipped] = []
    found = list(_list_part(home, root, part, skipped))
    _compare_counts(corpus, part, found)
    kept = _leave_out_shared(found, home.relative_to(root), skipped)
    return list_studies(corpus, root, (_make_study(corpus, image) for image in kept), skipped)


def _find_part(root: Path, part: str) -> Path:
    ways = {ARCHIVE, plain(PARTS[part])}
    home = find_home(
        root,
        ways,
        lambda folder: any(find_folder(folder, name) for name in SPLIT_FOLDERS),
        f"COVID-QU-Ex's folders '{PARTS[part]}/{PARTS[part]}/' with {', '.join(SPLIT_FOLDERS)}",
    )
    for other in PARTS.values():
        if other != PARTS[part] and plain(home.name) == plain(other):
            raise CorpusError(f"{root}: holds COVID-QU-Ex's {other}; expected {PARTS[part]}")
    return home


def _list_part(home: Path, root: Path, part: str, skipped: list[Skipped]) -> Iterator[_Found]:
    under = home.relative_to(root)
    for split in SPLIT_FOLDERS:
        split_folder = find_folder(home, split)
        if split_folder is None:
            skipped.append(Skipped((under / split).as_posix(), "no such folder"))
            continue
        known = {plain(name): name for name in CLASSES}
        folders = {known.get(plain(folder.name)): folder for folder in list_folders(split_folder)}
        skipped += [
            Skipped(folder.relative_to(root).as_posix(), "a folder of no known class")
            for folder in list_folders(split_folder)
            if plain(folder.name) not in known
        ]
        for class_name in CLASSES:
            class_folder = folders.get(class_name)
            if class_folder is None:
                where = split_folder.relative_to(root) / class_name
                skipped.append(Skipped(where.as_posix(), "no such folder"))
            else:
                yield from _list_class(class_folder, root, (split, class_name, part), skipped)


def _list_class(
    folder: Path, root: Path, place: tuple[str, str, str], skipped: list[Skipped]
) -> Iterator[_Found]:
    split, class_name, part = place
    images_at = find_folder(folder, "images") or folder
    masks_at = find_folder(folder, f"{part} masks") or find_folder(folder, "masks")
    images = list_images(images_at, root, skipped)
    masks: dict[str, str] = {}
    if masks_at is not None:
        where = [f"{at.relative_to(root).as_posix()}/{{}}" for at in (images_at, masks_at)]
        found = list_images(masks_at, root, skipped)
        masks = pair_masks(images, found, (where[0], where[1]), skipped)
    for name, path in images.items():
        yield _Found(f"{split}/{class_name}/{name}", path, masks.get(name), split, class_name)


def _leave_out_shared(found: list[_Found], under: Path, skipped: list[Skipped]) -> Iterator[_Found]:
    """Keep a patient's images of the last split alone: the test set stays as it was published."""
    order = list(SPLIT_FOLDERS)
    last: dict[str, str] = {}
    for image in found:
        patient = _name_patient(image)
        last[patient] = max(last.get(patient, image.split), image.split, key=order.index)
    left_out = 0
    for image in found:
        split = last[_name_patient(image)]
        if split == image.split:
            yield image
        else:
            left_out += 1
            where = (under / image.key).as_posix()
            skipped.append(Skipped(where, f"its patient has images in {split} too"))
    if left_out:
        logger.warning(
            "COVID-QU-Ex: %d images left out, whose patients are in a later split too", left_out
        )


def _name_patient(image: _Found) -> str:
    named = _BIMCV.match(image.key.rpartition("/")[2])
    return named[1] if named else image.key


def _make_study(corpus: str, image: _Found) -> Study:
    view = _BIMCV_VIEW.search(image.key)
    return {
        "corpus": corpus,
        "study_id": image.key,
        "patient_id": _name_patient(image),
        "images": [{"path": image.path, "view": view[1].upper() if view else None}],
        "split": SPLIT_FOLDERS[image.split],
        "class_name": image.class_name,
        "mask_paths": [image.mask] if image.mask else None,
    }


def _compare_counts(corpus: str, part: str, found: list[_Found]) -> None:
    counted = Counter((image.split, image.class_name) for image in found)
    published = {
        (split, class_name): count
        for split, counts in _COUNTS[part].items()
        for class_name, count in zip(CLASSES, counts, strict=True)
    }
    report_counts(corpus, _name_counts(counted), _name_counts(published))


def _name_counts(counts: Counter[tuple[str, str]] | dict[tuple[str, str], int]) -> dict[str, int]:
    named = {
        f"images in {split}/{name}": counts.get((split, name), 0)
        for split in SPLIT_FOLDERS
        for name in CLASSES
    }
    return {"images": sum(counts.values())} | named
