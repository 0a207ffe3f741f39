"""The study: what a reader of a corpus hands on, with paths and text and nothing decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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


@dataclass(frozen=True)
class Listing:
    """The studies of one corpus as a reader found them, and what it had to leave out."""

    corpus: str
    root: Path
    studies: Dataset
    skipped: tuple[Skipped, ...] = ()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over ids, splits, image paths under the root, and report hashes, in order."""
        return hash_json([self._identify(study) for study in self.studies])

    def _identify(self, study: Study) -> list[object]:
        images = [_relative(image["path"], self.root) for image in study["images"]]
        return [
            study["study_id"],
            study["patient_id"],
            study.get("split"),
            images,
            hash_json(study.get("report")),
        ]


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
        detail = f"; {len(left_out)} left out, first: {left_out[0]}" if left_out else ""
        raise CorpusError(f"{root}: no study of corpus {corpus!r} found{detail}")
    repeated = [name for name, n in Counter(row["study_id"] for row in rows).items() if n > 1]
    if repeated:
        raise CorpusError(f"{root}: {len(repeated)} study ids of {corpus!r} occur more than once")
    splits = {row["split"] for row in rows} - {None, *SPLITS}
    if splits:
        raise CorpusError(f"{root}: unknown splits {sorted(map(str, splits))}; expected {SPLITS}")
    for row in rows:
        for image in row["images"]:
            _relative(image["path"], root)
    return Listing(corpus, root, Dataset.from_list(rows, features=STUDY_FEATURES), left_out)


def _complete(study: Study) -> dict[str, Any]:
    row: dict[str, Any] = {name: study.get(name) for name in STUDY_FEATURES}
    row["images"] = [
        {"path": i["path"], "view": i.get("view"), "laterality": i.get("laterality")}
        for i in study["images"]
    ]
    return row


def _relative(path: str, root: Path) -> str:
    try:
        return Path(path).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise CorpusError(f"{path}: lies outside of the corpus root {root}") from None
