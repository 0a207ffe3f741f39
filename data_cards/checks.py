"""What every corpus is checked for: leaks between splits, duplicates, gaps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from configs.files import hash_file
from data_cards.splits import find_shared_patients
from data_cards.study import Listing, Skipped, Study

HASHING_THREADS = 4
LISTED_AT_MOST = 10


@dataclass(frozen=True)
class CorpusChecks:
    """What `check_corpus` found; paths are relative to the corpus root.

    A group of duplicates holds the images with the same bytes. `reports_across_splits` counts the
    distinct report texts found in more than one split.
    """

    corpus: str
    studies: int
    patients: int
    images: int
    reports: int
    skipped: int
    per_split: dict[str, int]
    per_view: dict[str, int]
    per_class: dict[str, int]
    unreadable_images: tuple[str, ...]
    patients_in_two_splits: int
    duplicates: tuple[tuple[str, ...], ...]
    duplicates_across_studies: int
    duplicates_across_patients: int
    duplicates_across_splits: int
    reports_across_splits: int
    empty_reports: int

    @property
    def problems(self) -> tuple[str, ...]:
        """What makes figures from this corpus wrong, in words; nothing else is a problem."""
        found = {
            "patients are in more than one split": self.patients_in_two_splits,
            "images are in more than one split (the same bytes)": self.duplicates_across_splits,
            "images cannot be read from disk": len(self.unreadable_images),
        }
        return tuple(f"{count} {words}" for words, count in found.items() if count)


def check_corpus(listing: Listing) -> CorpusChecks:
    """Count what a corpus holds, and look for patients, images and reports in two places.

    Reads every image file once, whole, to hash its bytes; nothing is decoded. Splits are the ones
    in the listing, so official ones unless `assign_splits` filled them.
    """
    studies: list[Study] = listing.studies.to_list()
    owners, unreadable = _group_by_bytes(studies)
    groups = [owner for owner in owners.values() if len(owner) > 1]
    reports = [study for study in studies if (study.get("report") or "").strip()]
    return CorpusChecks(
        corpus=listing.corpus,
        studies=len(studies),
        patients=len({study["patient_id"] for study in studies}),
        images=sum(len(study["images"]) for study in studies),
        reports=len(reports),
        skipped=len(listing.skipped),
        per_split=_count(study.get("split") for study in studies),
        per_view=_count(image.get("view") for study in studies for image in study["images"]),
        per_class=_count(study.get("class_name") for study in studies),
        unreadable_images=tuple(_under(listing.root, path) for path in unreadable),
        patients_in_two_splits=len(find_shared_patients(listing.studies)),
        duplicates=tuple(
            tuple(_under(listing.root, path) for path, _ in group) for group in groups
        ),
        duplicates_across_studies=_spread(groups, lambda study: study["study_id"]),
        duplicates_across_patients=_spread(groups, lambda study: study["patient_id"]),
        duplicates_across_splits=_spread(groups, lambda study: study.get("split")),
        reports_across_splits=_repeated_reports(reports),
        empty_reports=len(studies) - len(reports),
    )


Owner = tuple[str, Study]
"""An image's path and the study it belongs to."""


def _group_by_bytes(studies: Sequence[Study]) -> tuple[dict[str, list[Owner]], list[str]]:
    owners = [(image["path"], study) for study in studies for image in study["images"]]
    groups: dict[str, list[Owner]] = defaultdict(list)
    unreadable = []
    with ThreadPoolExecutor(HASHING_THREADS) as threads:
        hashes = threads.map(_try_hash, (path for path, _ in owners))
        progress = tqdm(hashes, total=len(owners), desc="hash images", unit="image", disable=None)
        for (path, study), found in zip(owners, progress, strict=True):
            if found is None:
                unreadable.append(path)
            else:
                groups[found].append((path, study))
    return groups, unreadable


def _try_hash(path: str) -> str | None:
    try:
        return hash_file(Path(path))
    except OSError:
        return None


def _spread(groups: Iterable[Sequence[Owner]], key: Callable[[Study], str | None]) -> int:
    """Count the groups of equal images that belong to more than one key."""
    keys = ({key(study) for _, study in group} - {None} for group in groups)
    return sum(len(found) > 1 for found in keys)


def _repeated_reports(studies: Iterable[Study]) -> int:
    splits: dict[str, set[str]] = defaultdict(set)
    for study in studies:
        split = study.get("split")
        if split:
            splits[(study["report"] or "").strip()].add(split)
    return sum(len(found) > 1 for found in splits.values())


def _count(values: Iterable[str | None]) -> dict[str, int]:
    counts = Counter("none" if value is None else value for value in values)
    return dict(sorted(counts.items()))


def _under(root: Path, path: str) -> str:
    return Path(path).relative_to(root).as_posix()


def describe_checks(checks: CorpusChecks, skipped: Sequence[Skipped] = ()) -> str:
    """Put checks into lines a person reads; names files, never patients or report text."""
    counts = {
        "studies": checks.studies,
        "patients": checks.patients,
        "images": checks.images,
        "studies with a report": checks.reports,
        "studies without one, or with an empty one": checks.empty_reports,
        "left out by the reader": checks.skipped,
        "groups of images with the same bytes": len(checks.duplicates),
        "  of these across patients": checks.duplicates_across_patients,
        "  of these across splits": checks.duplicates_across_splits,
        "patients in more than one split": checks.patients_in_two_splits,
        "report texts found in more than one split": checks.reports_across_splits,
    }
    lines = [f"corpus {checks.corpus}"]
    lines += [f"  {name:<44}{count:>9,}" for name, count in counts.items()]
    for title, table in (
        ("splits", checks.per_split),
        ("views", checks.per_view),
        ("classes", checks.per_class),
    ):
        shown = ", ".join(f"{name} {n:,}" for name, n in table.items())
        lines.append(f"  {title}: {shown or 'none'}")
    lines += list_some("left out", [str(item) for item in skipped])
    lines += list_some("not readable from disk", checks.unreadable_images)
    lines += list_some("same bytes", [" = ".join(group) for group in checks.duplicates])
    lines += [f"PROBLEM: {problem}" for problem in checks.problems] or ["no problem found"]
    return "\n".join(lines)


def list_some(title: str, items: Sequence[str]) -> list[str]:
    """Give a line for each of the first items, and one for how many more there are."""
    shown = [f"  {title}: {item}" for item in items[:LISTED_AT_MOST]]
    more = len(items) - len(shown)
    return [*shown, f"  {title}: and {more} more"] if more else shown
