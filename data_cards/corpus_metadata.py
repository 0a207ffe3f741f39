"""What is known of an image without looking at it, and how well that alone tells its label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from data_cards.findings import LabelCode
from data_cards.image_survey import SurveyedImage
from data_cards.label_table import list_findings, read_label_table
from data_cards.metadata_baseline import MetadataBaseline, measure_metadata

CLASS, OTHER = "class", "other"
SEVERITY = "edema_severity"
RESAMPLES = 200
"""Enough for the two digits that a warning needs, and a table may have thirty labels."""
FEWEST_IMAGES = 20
"""Of each class or code; with fewer the interval would say nothing."""


class LabelBaseline(NamedTuple):
    """How well metadata tell one label: `classes` are its values with their images."""

    label: str
    classes: dict[str, int]
    baseline: MetadataBaseline

    @property
    def best_told(self) -> tuple[str, float] | None:
        """Of more than two classes the one that is told best from the rest, and its AUC."""
        told = dict(zip(self.classes, self.baseline.auc.by_class, strict=False))
        best = max(told, key=lambda name: told[name])
        return (best, told[best]) if len(told) > 2 else None


def list_metadata(images: Sequence[SurveyedImage]) -> pd.DataFrame:
    """Give one row per image: source, view, width, height, ratio, storage, file kind, age, sex."""
    sizes = [image.size or (np.nan, np.nan) for image in images]
    return pd.DataFrame(
        {
            "source": [image.study.get("source") for image in images],
            "view": [image.view for image in images],
            "width": [float(width) for width, _ in sizes],
            "height": [float(height) for _, height in sizes],
            "ratio": [width / height for width, height in sizes],
            "storage": [image.mode for image in images],
            "file kind": [PurePosixPath(image.path).suffix.lower() for image in images],
            "age": [_number(image.study.get("age")) for image in images],
            "sex": [image.study.get("sex") for image in images],
        }
    )


def measure_baselines(
    images: Sequence[SurveyedImage], labels: Path | None = None, *, seed: int = 0
) -> Iterator[LabelBaseline]:
    """Tell classes, and each column of a label table, from metadata alone.

    Of a finding present is told from denied, and of the severity all grades. Classes of fewer than
    FEWEST_IMAGES images are one, and a label of which no two values have as many is left out.
    """
    metadata = list_metadata(images)
    classes = pd.Series([image.study.get("class_name") for image in images])
    columns = {CLASS: _join_rare(classes)}
    if labels is not None:
        columns |= _read_labels(images, labels)
    for label, column in tqdm(columns.items(), desc="metadata", unit="label", disable=None):
        counts = column.value_counts()
        values = sorted(counts.index[counts >= FEWEST_IMAGES], key=str)
        rows: list[int] = np.flatnonzero(column.isin(values).to_numpy(bool)).tolist()
        if len(values) < 2:
            continue
        numbers = column.iloc[rows].map({value: n for n, value in enumerate(values)})
        baseline = measure_metadata(
            metadata.iloc[rows].reset_index(drop=True),
            numbers.to_numpy(np.int64),
            [images[row].study["patient_id"] for row in rows],
            seed=seed,
            resamples=RESAMPLES,
        )
        if baseline is not None:
            sizes = {str(value): int(counts[value]) for value in values}
            yield LabelBaseline(label, sizes, baseline)


def _join_rare(classes: pd.Series) -> pd.Series:
    counts = classes.value_counts()
    rare = counts.index[counts < FEWEST_IMAGES]
    return classes.mask(classes.isin(rare), OTHER)


def _read_labels(images: Sequence[SurveyedImage], path: Path) -> dict[str, pd.Series]:
    from pyarrow import parquet

    columns = parquet.read_schema(path).names if path.is_file() else []
    wanted = [*list_findings(columns), *([SEVERITY] if SEVERITY in columns else [])]
    table = read_label_table(path, columns=wanted).set_index("study_id")
    ids = [image.study["study_id"] for image in images]
    found = table.reindex(ids).reset_index(drop=True)
    for finding in list_findings(columns):
        found[finding] = found[finding].where(found[finding] != LabelCode.UNCERTAIN)
    return {name: found[name] for name in wanted}


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
