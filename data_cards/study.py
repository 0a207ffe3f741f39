"""The study: what a reader of a corpus hands on, with paths and text and nothing decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pyarrow.compute as pc
from datasets import Dataset, Features, List, Value

from configs.files import canonical_json, hash_json
from data_cards.study_batches import collect_studies

SPLITS = ("train", "validate", "test")

_HASHED_COLUMNS = ("study_id", "patient_id", "split", "report", "images", "mask_paths")
STUDIES_AT_ONCE = 10_000


class CorpusError(ValueError):
    """A corpus that cannot be read; the message names the file and what was expected there."""


class RepeatedStudyError(CorpusError):
    """A corpus in which study ids occur more than once."""


class StudyImage(TypedDict):
    """One X-ray of a study: where it lies and how it was taken (`view`: PA, AP, LATERAL)."""

    path: str
    view: NotRequired[str | None]
    laterality: NotRequired[str | None]


class Study(TypedDict):
    """One examination of one patient: its images and its report.

    `split` is one of SPLITS where the corpus has an official split. `class_name` is the folder
    or column class of corpora without reports. `age` is in years, `acquired` an ISO date.
    `mask_paths` are the mask files of a corpus that has masks: as many for each image, image by
    image in the order of `images`. Several of one image (left and right lung) are to be joined;
    `group_masks` tells them apart. `source` names the collection that it was taken from, in a
    corpus of several.
    """

    corpus: str
    study_id: str
    patient_id: str
    images: list[StudyImage]
    split: NotRequired[str | None]
    report: NotRequired[str | None]
    class_name: NotRequired[str | None]
    mask_paths: NotRequired[list[str] | None]
    sex: NotRequired[str | None]
    age: NotRequired[float | None]
    acquired: NotRequired[str | None]
    source: NotRequired[str | None]


def group_masks(study: Study) -> list[tuple[str, ...]]:
    """Give the mask files of each image of a study, `()` each where it has no masks.

    Raises CorpusError when the files do not fall equally to the images.
    """
    images, masks = len(study["images"]), study.get("mask_paths") or []
    if len(masks) % max(images, 1) or (masks and not images):
        raise CorpusError(
            f"study of corpus {study['corpus']!r}: {len(masks)} mask files for {images} images;"
            " expected as many for each image"
        )
    each = len(masks) // max(images, 1)
    return [tuple(masks[number * each : (number + 1) * each]) for number in range(images)]


STUDY_FEATURES = Features(
    {
        "corpus": Value("string"),
        "study_id": Value("string"),
        "patient_id": Value("string"),
        "split": Value("string"),
        "images": List(
            {"path": Value("string"), "view": Value("string"), "laterality": Value("string")}
        ),
        "report": Value("large_string"),
        "class_name": Value("string"),
        "mask_paths": List(Value("string")),
        "sex": Value("string"),
        "age": Value("float32"),
        "acquired": Value("string"),
        "source": Value("string"),
    }
)


@dataclass(frozen=True)
class Skipped:
    """Something a reader left out: the file (or row) and why. Never holds report text."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True)
class Listing:
    """The studies of one corpus as a reader found them, and what it had to leave out.

    root: the folder that image paths start from. table: the file, of a corpus that is one.
    """

    corpus: str
    root: Path
    studies: Dataset
    skipped: tuple[Skipped, ...] = ()
    table: Path | None = None

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over ids, splits, paths under the root, and report hashes, in order."""
        digest = hashlib.sha256()
        ahead = b"["
        for entries in self._describe_studies():
            # The list of all studies in one piece would be the same text, and all of it in memory.
            digest.update(ahead + canonical_json(entries)[1:-1].encode())
            ahead = b","
        digest.update(b"]")
        return digest.hexdigest()

    def _describe_studies(self) -> Iterator[list[list[Any]]]:
        known: dict[str, str] = {}
        studies = self.studies.select_columns(list(_HASHED_COLUMNS))
        for start in range(0, len(studies), STUDIES_AT_ONCE):
            columns = studies[start : start + STUDIES_AT_ONCE]
            yield [
                [
                    study_id,
                    patient_id,
                    split,
                    _relative_paths(images, masks, self.root, known) if images or masks else [],
                    hash_json(report),
                ]
                for study_id, patient_id, split, report, images, masks in zip(
                    *(columns[name] for name in _HASHED_COLUMNS), strict=True
                )
            ]


def list_studies(
    corpus: str, root: Path, studies: Iterable[Study], skipped: Iterable[Skipped] = ()
) -> Listing:
    """Check studies as they come and put them into a Listing.

    Raises CorpusError when there are none, when a study id occurs twice, when a split has an
    unknown name, or when a path leaves `root`.
    """
    checks = _Checks(root)
    dataset = collect_studies(map(checks.pass_on, studies), STUDY_FEATURES)
    left_out = tuple(skipped)
    if not len(dataset):
        first = f"; {len(left_out)} left out, first {left_out[0]}" if left_out else ""
        raise CorpusError(f"{root}: no study of corpus {corpus!r} found{first}")
    repeated = _count_repeated(dataset)
    if repeated:
        raise RepeatedStudyError(f"{root}: {repeated} study ids of {corpus!r} occur more than once")
    return Listing(corpus, root, dataset, left_out)


def _count_repeated(studies: Dataset) -> int:
    """Count ids that occur more than once; in Arrow, since a set takes ten times the memory."""
    ids = studies.select_columns(["study_id"]).with_format("arrow")[:]["study_id"]
    if pc.count_distinct(ids).as_py() == len(ids):
        return 0
    return sum(pair["counts"] > 1 for pair in pc.value_counts(ids).to_pylist())


class _Checks:
    """Checks studies on their way into a Dataset."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, str] = {}

    def pass_on(self, study: Study) -> dict[str, Any]:
        row = _complete(study)
        split = row["split"]
        if split is not None and split not in SPLITS:
            raise CorpusError(f"{self._root}: unknown splits {[split]}; expected {SPLITS}")
        if row["mask_paths"]:
            group_masks(study)
        if row["images"] or row["mask_paths"]:
            _relative_paths(row["images"], row["mask_paths"], self._root, self._known)
        return row


def _complete(study: Study) -> dict[str, Any]:
    row: dict[str, Any] = {name: study.get(name) for name in STUDY_FEATURES}
    row["images"] = [
        {"path": i["path"], "view": i.get("view"), "laterality": i.get("laterality")}
        for i in study["images"]
    ]
    return row


def _relative_paths(
    images: Iterable[Mapping[str, Any]],
    masks: Iterable[str] | None,
    root: Path,
    known: dict[str, str],
) -> list[str]:
    """Return image and mask paths under `root`, links resolved; refuse any other."""
    base = _resolve(str(root), known).rstrip(os.sep) + os.sep
    relative = []
    for path in (*(image["path"] for image in images), *(masks or ())):
        real = _resolve(path, known)
        if not real.startswith(base):
            raise CorpusError(f"{path}: lies outside of the corpus root {root}")
        relative.append(real.removeprefix(base))
    return relative


def _resolve(path: str, known: dict[str, str]) -> str:
    """Resolve links as `os.path.realpath` does, asking the disk once for each folder.

    A corpus has hundreds of thousands of paths in far fewer folders: resolving each from the top
    took most of the time of listing them, and pathlib three times as long as text.
    """
    if path in known:
        return known[path]
    folder, name = os.path.split(path)
    if name in {"", ".", ".."}:
        real = os.path.realpath(path)
    else:
        real = f"{_resolve(folder, known).rstrip(os.sep)}{os.sep}{name}"
        real = os.path.realpath(real) if os.path.islink(real) else real  # noqa: PTH114
    known[path] = real
    return real
