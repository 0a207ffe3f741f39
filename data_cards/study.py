"""The study: what a reader of a corpus hands on, with paths and text and nothing decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from datasets import Dataset, Features, List, Value

from configs.files import hash_json

SPLITS = ("train", "validate", "test")


class CorpusError(ValueError):
    """A corpus that cannot be read; the message names the file and what was expected there."""


class StudyImage(TypedDict):
    """One X-ray of a study: where it lies and how it was taken (`view`: PA, AP, LATERAL)."""

    path: str
    view: NotRequired[str | None]
    laterality: NotRequired[str | None]


class Study(TypedDict):
    """One examination of one patient: its images and its report.

    `split` is one of SPLITS where the corpus has an official split. `class_name` is the folder
    or column class of corpora without reports. `age` is in years, `acquired` an ISO date.
    `mask_paths` lie parallel to `images` when a corpus has masks.
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
    """The studies of one corpus as a reader found them, and what it had to leave out."""

    corpus: str
    root: Path
    studies: Dataset
    skipped: tuple[Skipped, ...] = ()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over ids, splits, paths under the root, and report hashes, in order."""
        known: dict[str, str] = {}
        return hash_json(
            [
                [
                    study["study_id"],
                    study["patient_id"],
                    study["split"],
                    _relative_paths(study, self.root, known),
                    hash_json(study["report"]),
                ]
                for study in self.studies.to_list()
            ]
        )


def list_studies(
    corpus: str, root: Path, studies: Iterable[Study], skipped: Iterable[Skipped] = ()
) -> Listing:
    """Check studies and put them into a Listing.

    Raises CorpusError when there are none, when a study id occurs twice, when a split has an
    unknown name, or when a path leaves `root`.
    """
    rows = [_complete(study) for study in studies]
    left_out = tuple(skipped)
    if not rows:
        first = f"; {len(left_out)} left out, first {left_out[0]}" if left_out else ""
        raise CorpusError(f"{root}: no study of corpus {corpus!r} found{first}")
    repeated = [name for name, n in Counter(row["study_id"] for row in rows).items() if n > 1]
    if repeated:
        raise CorpusError(f"{root}: {len(repeated)} study ids of {corpus!r} occur more than once")
    splits = {row["split"] for row in rows} - {None, *SPLITS}
    if splits:
        raise CorpusError(f"{root}: unknown splits {sorted(map(str, splits))}; expected {SPLITS}")
    known: dict[str, str] = {}
    for row in rows:
        _relative_paths(row, root, known)
    return Listing(corpus, root, Dataset.from_list(rows, features=STUDY_FEATURES), left_out)


def _complete(study: Study) -> dict[str, Any]:
    row: dict[str, Any] = {name: study.get(name) for name in STUDY_FEATURES}
    row["images"] = [
        {"path": i["path"], "view": i.get("view"), "laterality": i.get("laterality")}
        for i in study["images"]
    ]
    return row


def _relative_paths(study: Mapping[str, Any], root: Path, known: dict[str, str]) -> list[str]:
    """Return a study's image and mask paths under `root`, links resolved; refuse any other."""
    base = _resolve(str(root), known).rstrip(os.sep) + os.sep
    relative = []
    for path in (*(image["path"] for image in study["images"]), *(study["mask_paths"] or ())):
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
