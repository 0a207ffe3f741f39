"""Reads the COVID-19 Radiography Database: four classes, lung masks, and where images are from."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from data_cards.image_sources import name_source
from data_cards.image_tree import find_folder, find_home, list_images, pair_masks
from data_cards.known_counts import report_counts
from data_cards.radiography.sources import key_of, read_metadata, share_told
from data_cards.study import Listing, Skipped, Study, list_studies

logger = logging.getLogger(__name__)

WAYS = {"covid19radiographydataset", "covid19radiographydatabase", "covid19radiography"}
CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
COVID = CLASSES[0]
KNOWN_COUNTS = {
    "images": 21_165,
    **dict(zip((f"{name} images" for name in CLASSES), (3_616, 6_012, 10_192, 1_345), strict=True)),
}


class _Class(NamedTuple):
    """What one class has: images and masks (file name → path), and URL by `key_of`."""

    name: str
    images: dict[str, str]
    masks: dict[str, str]
    sources: dict[str, str]


def read_radiography(root: Path) -> Listing:
    """List the images of the four classes, each with its lung mask; warns that sources are labels.

    `root` holds the folders of the classes, or is above them. Each image is a study and counts as
    a patient of its own: there is neither a patient id nor a split. Its source is the collection
    that its URL in `<Class>.metadata.xlsx` names. Masks have 256 pixels a side and some three
    channels, where images have 299: a mask is resized to its image. Raises CorpusError when the
    folders are not there or a metadata table is damaged.
    """
    skipped: list[Skipped] = []
    classes = _list_classes(root, skipped)
    counts = {f"{each.name} images": len(each.images) for each in classes}
    report_counts("radiography", {"images": sum(counts.values())} | counts, KNOWN_COUNTS)
    _warn_of_sources(classes)
    studies = [study for each in classes for study in _make_studies(each)]
    return list_studies("radiography", root, studies, skipped)


def read_sources(root: Path) -> dict[str, str]:
    """Give study id → URL of the collection it was taken from, where the metadata name one."""
    return {
        f"{each.name}/{name}": each.sources[key_of(name)]
        for each in _list_classes(root, [])
        for name in each.images
        if each.sources.get(key_of(name))
    }


def _list_classes(root: Path, skipped: list[Skipped]) -> list[_Class]:
    home = find_home(
        root,
        WAYS,
        lambda folder: sum(find_folder(folder, name) is not None for name in CLASSES) > 1,
        f"the folders {', '.join(CLASSES)} of COVID-19_Radiography_Dataset",
    )
    return [found for name in CLASSES if (found := _list_class(home, root, name, skipped))]


def _list_class(home: Path, root: Path, name: str, skipped: list[Skipped]) -> _Class | None:
    folder = find_folder(home, name)
    under = home.relative_to(root)
    if folder is None:
        skipped.append(Skipped((under / name).as_posix(), "no such folder"))
        return None
    images_at = find_folder(folder, "images") or folder
    masks_at = find_folder(folder, "masks")
    images = list_images(images_at, root, skipped)
    where = images_at.relative_to(root).as_posix()
    masks: dict[str, str] = {}
    if masks_at is not None:
        at = masks_at.relative_to(root).as_posix()
        found = list_images(masks_at, root, skipped)
        masks = pair_masks(images, found, (f"{where}/{{}}", f"{at}/{{}}"), skipped)
    sources = _read_class_sources(home / f"{name}.metadata.xlsx", under, skipped)
    missing = sorted(sources.keys() - {key_of(image) for image in images})
    named = {item.where for item in skipped}
    skipped += [
        Skipped(image, "in the metadata, and no such image")
        for key in missing
        if (image := f"{where}/{name}{key[len(name) :]}.png") not in named
    ]
    return _Class(name, images, masks, sources)


def _read_class_sources(table: Path, under: Path, skipped: list[Skipped]) -> dict[str, str]:
    if table.is_file():
        return read_metadata(table)
    skipped.append(Skipped((under / table.name).as_posix(), "no such file; sources are not known"))
    return {}


def _make_studies(each: _Class) -> list[Study]:
    return [
        {
            "corpus": "radiography",
            "study_id": f"{each.name}/{name}",
            "patient_id": f"{each.name}/{name}",
            "images": [{"path": path}],
            "class_name": each.name,
            "mask_paths": [each.masks[name]] if name in each.masks else None,
            "source": name_source(each.sources.get(key_of(name), "")),
        }
        for name, path in each.images.items()
    ]


def _warn_of_sources(classes: list[_Class]) -> None:
    """Say what the sources alone tell: the one line that belongs to every use of this set."""
    pairs: Counter[tuple[str, str]] = Counter()
    for each in classes:
        for name in each.images:
            source = each.sources.get(key_of(name))
            if source:
                pairs[source, each.name] += 1
    if not pairs:
        logger.warning(
            "radiography: the source of an image is its label here; without the metadata tables"
            " nothing can be said of single images"
        )
        return
    against: Counter[tuple[str, str]] = Counter()
    for (source, name), count in pairs.items():
        against[source, COVID if name == COVID else "rest"] += count
    logger.warning(
        "radiography: the source of an image is its label here: the URL alone tells COVID from the"
        " rest in %.1f %%, and the class in %.1f %%, of %d images",
        100 * share_told(against),
        100 * share_told(pairs),
        sum(pairs.values()),
    )
