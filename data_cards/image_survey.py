"""Looks at the images of a corpus: sizes, kinds, files that do not decode, near duplicates."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_cards.near_duplicates import (
    DECODE_ERRORS,
    NearDuplicates,
    find_near_duplicates,
    read_prints,
)
from data_cards.study import Listing, Study

READING_THREADS = 4
COMPARED = (".png", ".jpg", ".jpeg")
"""What is decoded here; other kinds (DICOM) are counted and left to the image cache."""

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class SurveyedImage:
    """One image: its path under the root, its study, and its size (None: not readable here)."""

    path: str
    study: Study
    view: str | None
    size: Size | None
    mode: str | None


@dataclass(frozen=True)
class ImageSurvey:
    """What was seen; rows of `near` and entries of `images` are parallel.

    of: how many images the corpus has, of which `images` may be a sample. undecodable: paths of
    PNG and JPEG files that do not decode. not_compared: images of other kinds.
    """

    images: tuple[SurveyedImage, ...]
    of: int
    undecodable: tuple[str, ...]
    not_compared: int
    near: NearDuplicates

    @property
    def groups(self) -> list[list[SurveyedImage]]:
        """The groups of images that are nearly the same, the largest first."""
        return [[self.images[row] for row in group] for group in self.near.groups]

    @property
    def modes(self) -> dict[str, int]:
        """How many images are stored how, by Pillow's word (`L`: 8-bit grey, `I;16`, `RGB`)."""
        return dict(Counter(image.mode or "unknown" for image in self.images).most_common())

    def count_across(self, key: Callable[[Study], str | None]) -> int:
        """Count the groups of near duplicates that belong to more than one key."""
        groups = ({key(image.study) for image in group} - {None} for group in self.groups)
        return sum(len(found) > 1 for found in groups)


def survey_images(listing: Listing, *, at_most: int | None = None, seed: int = 0) -> ImageSurvey:
    """Decode the PNG and JPEG images of a corpus, or of `at_most` images' worth of patients.

    A sample has all images of a patient or none, so that what is found within patients stays.
    """
    studies: list[Study] = listing.studies.remove_columns(["report"]).to_list()
    total = sum(len(study["images"]) for study in studies)
    if at_most is not None and total > at_most:
        studies = _sample_patients(studies, at_most, random.Random(seed))
    owners = [(study, image) for study in studies for image in study["images"]]
    paths = [Path(image["path"]) for _, image in owners]
    with ThreadPoolExecutor(READING_THREADS) as threads:
        headers = list(
            tqdm(
                threads.map(_read_header, paths),
                total=len(paths),
                desc="read sizes",
                unit="image",
                disable=None,
            )
        )
    compared = np.array([path.suffix.lower() in COMPARED for path in paths], bool)
    rows = np.flatnonzero(compared)
    prints, undecodable = read_prints([paths[row] for row in rows])
    near = find_near_duplicates(prints)
    images = [
        SurveyedImage(_under(listing, path), study, image.get("view"), *header)
        for path, (study, image), header in zip(paths, owners, headers, strict=True)
    ]
    return ImageSurvey(
        images=tuple(images[row] for row in rows),
        of=total,
        undecodable=tuple(_under(listing, path) for path in undecodable),
        not_compared=int((~compared).sum()),
        near=near,
    )


def _sample_patients(studies: Sequence[Study], at_most: int, rng: random.Random) -> list[Study]:
    by_patient: dict[str, list[Study]] = {}
    for study in studies:
        by_patient.setdefault(study["patient_id"], []).append(study)
    order = list(by_patient)
    rng.shuffle(order)
    chosen: set[str] = set()
    room = at_most
    for patient in order:
        room -= sum(len(study["images"]) for study in by_patient[patient])
        if room < 0 and chosen:
            break
        chosen.add(patient)
    return [study for study in studies if study["patient_id"] in chosen]


def _read_header(path: Path) -> tuple[Size | None, str | None]:
    try:
        with Image.open(path) as image:
            return image.size, image.mode
    except DECODE_ERRORS:
        return None, None


def _under(listing: Listing, path: Path) -> str:
    return path.relative_to(listing.root).as_posix()
