"""Reads any folder with `images/` and `masks/`, whose files are called the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_cards.image_folder.reader import SPLIT_FOLDERS
from data_cards.image_tree import find_folder, list_folders, list_images, pair_masks
from data_cards.study import CorpusError, Listing, Skipped, Study, list_studies

MASK_ENDING = "_mask"


def read_image_masks(root: Path) -> Listing:
    """List the images of `root/images` that have a mask in `root/masks`, one study per image.

    The mask has the image's stem, or that and `_mask`; its type may be another. Where `root` has
    folders train, val or test, each of them holds the two and is a split. The study, and the
    patient, is the image's stem, within its split. An image without a mask and a mask without an
    image are left out and listed. Raises CorpusError when the folders are not there.
    """
    skipped: list[Skipped] = []
    homes: list[tuple[Path, str | None]] = [
        (folder, SPLIT_FOLDERS[folder.name.lower()])
        for folder in list_folders(root)
        if folder.name.lower() in SPLIT_FOLDERS and find_folder(folder, "images")
    ] or [(root, None)]
    studies = [study for home, split in homes for study in _list_home(home, root, split, skipped)]
    return list_studies("image_masks", root, studies, skipped)


def _list_home(
    home: Path, root: Path, split: str | None, skipped: list[Skipped]
) -> Iterator[Study]:
    folders = [find_folder(home, name) for name in ("images", "masks")]
    images_at, masks_at = folders
    if images_at is None or masks_at is None:
        raise CorpusError(f"{home}: expected the folders images/ and masks/ there")
    where = [at.relative_to(root).as_posix() for at in (images_at, masks_at)]
    images = _by_stem(list_images(images_at, root, skipped), where[0], skipped)
    found = list_images(masks_at, root, skipped)
    masks = _by_stem(found, where[1], skipped, ending=MASK_ENDING)
    pairs = pair_masks(images, masks, (f"{where[0]}/{{}}.*", f"{where[1]}/{{}}.*"), skipped)
    for stem, mask in pairs.items():
        name = f"{split}/{stem}" if split else stem
        yield {
            "corpus": "image_masks",
            "study_id": name,
            "patient_id": name,
            "images": [{"path": images[stem]}],
            "mask_paths": [mask],
            "split": split,
        }


def _by_stem(
    files: dict[str, str], where: str, skipped: list[Skipped], *, ending: str = ""
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, path in files.items():
        stem = name.rpartition(".")[0].removesuffix(ending)
        if stem in found:
            skipped.append(Skipped(f"{where}/{name}", "an earlier file has its stem"))
        else:
            found[stem] = path
    return found
