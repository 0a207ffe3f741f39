"""Classify many files into one table: CSV, JSON or Parquet, one row per image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vision.classification.classifier import Classification, Classifier


def classify_files(classifier: Classifier, files: Sequence[Path]) -> list[Classification]:
    """Classify files with a progress bar, each exactly as alone."""
    return [classifier(file) for file in tqdm(files, unit="image", desc="classify")]


def tabulate_classes(
    files: Sequence[Path], found: Sequence[Classification], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """One record per image: path, sha256, class, p_<class>, abstain, reason, warnings.

    What an unreadable file has no value for is None; a refused image keeps its probabilities.
    """
    return [
        {
            # File names needn't be valid Unicode; tables must be.
            "path": str(file).encode(errors="replace").decode(),
            "sha256": one.sha256,
            "class": one.class_name,
            **{f"p_{name}": one.probabilities.get(name) for name in classes},
            "abstain": one.abstain,
            "reason": one.reason,
            "warnings": "; ".join(one.warnings),
        }
        for file, one in zip(files, found, strict=True)
    ]


def summarise_classes(found: Sequence[Classification], classes: Sequence[str]) -> Iterator[str]:
    """Count by class, and by why the classifier abstained, in lines of text."""
    trusted = Counter(one.class_name for one in found if not one.abstain)
    yield f"{len(found)} images, {sum(trusted.values())} classified"
    yield from (f"  {name}: {trusted[name]}" for name in classes)
    reasons = Counter(str(one.reason).split(":")[0] for one in found if one.abstain)
    yield from (f"abstained, {reason}: {count}" for reason, count in sorted(reasons.items()))
