"""Reads a phantom corpus as images and lung masks: the one reader that names its truth."""

from __future__ import annotations

from pathlib import Path

from data_cards.phantom.reader import read_phantom
from data_cards.study import CorpusError, Listing, Skipped, Study, StudyImage, list_studies

MASK_FOLDER = "truth/lung_masks"


def read_phantom_masks(root: Path) -> Listing:
    """List the images of the phantom under `root` with their drawn lung masks.

    Mask values: 0 outside, 64 right, 128 left, 192 lung behind heart and mediastinum; any but 0
    is lung. Reports are left out, so that nothing but the masks can teach. An image without a mask
    is left out and listed. Raises CorpusError when the phantom was made without masks.
    """
    if not (root / MASK_FOLDER).is_dir():
        raise CorpusError(f"{root / MASK_FOLDER}: no such folder (made with masks: false?)")
    phantom = read_phantom(root)
    skipped = list(phantom.skipped)
    studies = [_add_masks(study, root, skipped) for study in phantom.studies]
    found = [study for study in studies if study["images"]]
    return list_studies("phantom_masks", root, found, skipped)


def _add_masks(study: Study, root: Path, skipped: list[Skipped]) -> Study:
    images: list[StudyImage] = []
    masks = []
    for image in study["images"]:
        mask = root / MASK_FOLDER / f"{Path(image['path']).stem}.png"
        if mask.is_file():
            images.append(image)
            masks.append(str(mask))
        else:
            skipped.append(Skipped(f"{MASK_FOLDER}/{mask.name}", "no such mask"))
    return {
        "corpus": "phantom_masks",
        "study_id": study["study_id"],
        "patient_id": study["patient_id"],
        "images": images,
        "mask_paths": masks,
        "split": study["split"],
        "sex": study["sex"],
        "age": study["age"],
    }
