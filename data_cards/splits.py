"""Splits a corpus by patient: the official split where there is one, else a seeded one."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping

from datasets import Dataset, Value

from data_cards.study import SPLITS, CorpusError, Listing


def assign_splits(
    studies: Listing | Dataset, *, seed: int, validate: float = 0.15, test: float = 0.2
) -> Dataset:
    """Return the studies with `split` filled: no patient is ever in two splits.

    `validate` and `test` are fractions of the studies. Where the corpus has an official split it
    stays; a part that it lacks (often `validate`) is carved from its training patients, as a
    fraction of them, and a patient with some studies outside of it joins the patient's others.
    The result depends on the seed and the patient ids, not on the order of the rows.
    Raises CorpusError when an official split shares a patient, or when there are too few patients
    for the parts asked for.
    """
    dataset = studies.studies if isinstance(studies, Listing) else studies
    patients, official = dataset["patient_id"][:], dataset["split"][:]
    fractions = {"test": test, "validate": validate}
    if min(test, validate) < 0 or test + validate >= 1:
        raise CorpusError(f"fractions {fractions}: expected at least 0, together below 1")
    split_of = _official_patients(patients, official)
    wanted = {name: part for name, part in fractions.items() if part and name not in official}
    free = {name: 1 for name in patients if split_of.get(name, "train") == "train"}
    sizes = {name: count for name, count in Counter(patients).items() if name in free}
    if sizes:
        split_of |= _carve(sizes, wanted, seed)
    names = [split_of[patient] for patient in patients]
    columns = dataset.column_names
    filled = dataset.remove_columns("split").add_column("split", names, feature=Value("string"))
    result: Dataset = filled.select_columns(columns)
    check_splits(result)
    return result


def check_splits(dataset: Dataset) -> None:
    """Raise CorpusError when a study has no split or a patient is in two of them."""
    splits = dataset["split"][:]
    unknown = sum(name not in SPLITS for name in splits)
    if unknown:
        raise CorpusError(f"{unknown} studies are in no split; expected one of {SPLITS}")
    shared = find_shared_patients(dataset)
    if shared:
        raise CorpusError(f"{len(shared)} patients are in more than one split")


def find_shared_patients(dataset: Dataset) -> set[str]:
    """Return the patients that have studies in more than one split."""
    found: dict[str, set[str]] = defaultdict(set)
    for patient, split in zip(dataset["patient_id"][:], dataset["split"][:], strict=True):
        if split is not None:
            found[patient].add(split)
    return {patient for patient, splits in found.items() if len(splits) > 1}


def _official_patients(patients: list[str], official: list[str | None]) -> dict[str, str]:
    found: dict[str, str] = {}
    shared = set()
    for patient, split in zip(patients, official, strict=True):
        if split is not None and found.setdefault(patient, split) != split:
            shared.add(patient)
    if shared:
        raise CorpusError(f"{len(shared)} patients are in more than one part of the official split")
    return found


def _carve(sizes: Mapping[str, int], fractions: Mapping[str, float], seed: int) -> dict[str, str]:
    """Give each part its share of the studies, patient by patient in a seeded order.

    A patient that would overfill a part is passed over for it, so that small corpora come close
    to the fractions; a part that no patient fits into gets the smallest one.
    """
    if len(sizes) <= len(fractions):
        parts = ", ".join(("train", *fractions))
        raise CorpusError(f"{len(sizes)} patients cannot be split into {parts}")
    total = sum(sizes.values())
    order = sorted(sizes, key=lambda patient: _shuffle_key(patient, seed))
    split_of = dict.fromkeys(order, "train")
    for part, fraction in fractions.items():
        room = round(fraction * total)
        left = [patient for patient in order if split_of[patient] == "train"]
        taken = []
        for patient in left:
            if sizes[patient] <= room:
                taken.append(patient)
                room -= sizes[patient]
        for patient in taken or [min(left, key=lambda name: sizes[name])]:
            split_of[patient] = part
    return split_of


def _shuffle_key(patient: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()
