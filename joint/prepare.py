"""From a corpus on disk to arrays: list, split, label, cache; what stands already is used again."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer

from configs.files import hash_file, hash_json
from data_cards.corpora import find_corpus
from data_cards.label_table import LabelTableError, read_label_table, read_manifest
from data_cards.lineage import describe_listing
from data_cards.splits import assign_splits
from data_cards.study import Listing
from joint.pairs import NO_REPORT, PairData
from joint.report_text import ReportReader
from joint.run_settings import DataSettings, MinedLabels, TableLabels
from joint.targets import finding_targets, severity_targets
from joint.tokens import encode_reports
from text_labeler.labeler import Labeler
from text_labeler.mining import mine
from vision.cache import ImageCache, build_cache
from vision.cache_manifest import MANIFEST_NAME
from vision.grading_task import GradingData
from vision.uncertain_labels import UncertainSettings

logger = logging.getLogger(__name__)

STUDY_HASH_LETTERS = 12
MOST_APART = 3
"""Findings, impression and an addendum."""


class PreparationError(ValueError):
    """A corpus or label table that cannot be trained on; the message says what is missing."""


@dataclass(frozen=True)
class PreparedData:
    """A corpus ready for tasks.

    studies: one row per study: study_id, patient_id, split, text (what a text encoder reads,
    or None), sections (its parts). images: one row per readable frontal image: study (row number
    in `studies`), image (its number in the study), cache_row. labels: the label table, in the
    order of `studies`. hashes: what a run must find unchanged to go on. left_out: how many
    images were not readable, or lateral.
    """

    studies: pd.DataFrame
    images: pd.DataFrame
    labels: pd.DataFrame
    cache: ImageCache
    hashes: dict[str, str]
    left_out: dict[str, int]

    def rows(self, split: str) -> np.ndarray:
        """Give the image rows of a split, int64."""
        splits = self.studies["split"].to_numpy()[self.images["study"].to_numpy()]
        return np.flatnonzero(splits == split)


def prepare_data(settings: DataSettings, *, build: bool = True) -> PreparedData:
    """List, split, label and cache the corpus; raises PreparationError when nothing can be taught.

    build: make what is missing; the main process does, the others then read what it made.
    """
    read_report = ReportReader()
    listing = find_corpus(settings.corpus).read(settings.root)
    studies = assign_splits(
        listing,
        seed=settings.split_seed,
        validate=settings.validate_share,
        test=settings.test_share,
    )
    frame = studies.select_columns(["study_id", "patient_id", "split"]).to_pandas()
    # Not through pandas, to which a missing report is a number.
    frame["sections"] = [tuple(read_report.split(report)) for report in studies["report"][:]]
    frame["text"] = ["\n".join(sections) or None for sections in frame["sections"]]
    table = find_labels(listing, settings, build=build)
    labels = _order_labels(read_label_table(table), frame["study_id"], table)
    paths = [
        (row, number, Path(image["path"]))
        for row, images in enumerate(studies["images"][:])
        for number, image in enumerate(images)
        if (image["view"] or "").upper() != "LATERAL"
    ]
    folder = name_cache(settings)
    sources = [path for _, _, path in paths]
    cache = (
        build_cache(
            sources,
            folder,
            settings.cache,
            workers=settings.workers,
            parents=[describe_listing(listing, folder / MANIFEST_NAME)],
        )
        if build
        else ImageCache.open(folder)
    )
    found = [(row, number, cache.row_of(path)) for row, number, path in paths]
    images = pd.DataFrame(found, columns=["study", "image", "cache_row"]).dropna()
    prepared = PreparedData(
        studies=frame,
        images=images.astype(np.int64).reset_index(drop=True),
        labels=labels,
        cache=cache,
        hashes={
            "corpus": listing.content_hash,
            "labels": hash_file(table),
            "images": cache.content_hash,
            "split": hash_json(frame[["study_id", "split"]].to_dict("list")),
        },
        left_out={
            "unreadable images": len(paths) - len(images),
            "lateral images": sum(map(len, studies["images"][:])) - len(paths),
        },
    )
    _check_teachable(prepared, table)
    return prepared


def work_folder(settings: DataSettings) -> Path:
    """Name where a corpus's mined labels and caches stand; corpora of other roots lie apart."""
    return settings.work / f"{settings.corpus}-{hash_json(str(settings.root.resolve()))[:8]}"


def name_cache(settings: DataSettings) -> Path:
    """Name the folder of a corpus's image cache."""
    size, decoded = settings.cache.size, settings.cache.preprocessing_hash
    return work_folder(settings) / f"images-{size}-{decoded[:8]}"


def name_labels(settings: DataSettings, corpus_hash: str) -> Path:
    """Name the label table of a run: the one given, or where the mined one lies."""
    labels = settings.labels
    if isinstance(labels, TableLabels):
        return labels.path
    return work_folder(settings) / f"labels-{labels.profile}-{corpus_hash[:12]}.parquet"


def find_labels(listing: Listing, settings: DataSettings, *, build: bool = True) -> Path:
    """Return the label table to use; mine it unless one by these rules of this listing stands."""
    labels = settings.labels
    if isinstance(labels, TableLabels):
        if not labels.path.is_file():
            raise PreparationError(f"{labels.path}: the label table (data.labels.path) is missing")
        return labels.path
    table = name_labels(settings, listing.content_hash)
    if build and not _stands(table, listing, labels):
        mine(listing, table, profile=labels.profile, workers=settings.workers)
    return table


def grading_data(
    prepared: PreparedData, findings: Sequence[str], *, uncertain: UncertainSettings, seed: int
) -> GradingData:
    """Put a study's labels beside each of its images."""
    study = prepared.images["study"].to_numpy()
    severity = severity_targets(prepared.labels)
    taught = finding_targets(prepared.labels, findings, uncertain=uncertain, seed=seed)
    hashes = [hash_json(name)[:STUDY_HASH_LETTERS] for name in prepared.studies["study_id"]]
    return GradingData(
        cache=prepared.cache,
        cache_rows=prepared.images["cache_row"].to_numpy(),
        severity_targets=severity.values[study],
        has_severity=severity.known[study],
        finding_targets=taught.values[study],
        has_finding=taught.known[study],
        train=prepared.rows("train"),
        validate=prepared.rows("validate"),
        study_hashes=[hashes[row] for row in study],
    )


def training_texts(prepared: PreparedData) -> list[str]:
    """Give the reports of training studies: all that a tokenizer may learn from."""
    studies = prepared.studies
    return list(studies["text"][(studies["split"] == "train") & studies["text"].notna()])


def pair_data(
    prepared: PreparedData,
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    sections: Literal["joined", "drawn"],
) -> PairData:
    """Read each report once and put its number beside the study's images.

    sections: "drawn" reads each section apart as well (`PairData.readings`).
    """
    texts = prepared.studies["text"]
    has_text = texts.notna().to_numpy()
    if not has_text[prepared.images["study"].to_numpy()[prepared.rows("train")]].any():
        raise PreparationError(
            "task.kind joint needs reports, and no training image has one: of"
            f" {len(texts)} studies {int(has_text.sum())} have a report"
        )
    report_of_study = np.full(len(texts), NO_REPORT, np.int64)
    report_of_study[has_text] = np.arange(has_text.sum())
    severity = severity_targets(prepared.labels[has_text])
    readings, table = None, list(texts[has_text])
    if sections == "drawn":
        readings = _number_sections(prepared.studies["sections"][has_text], table)
    groups, _ = pd.factorize(pd.Series(table).str.casefold().str.split().str.join(" "))
    return PairData(
        tokens=encode_reports(tokenizer, table, max_tokens=max_tokens),
        report_of=report_of_study[prepared.images["study"].to_numpy()],
        groups=groups.astype(np.int64),
        severity_targets=severity.values,
        has_severity=severity.known,
        readings=readings,
    )


def _number_sections(sections: Iterable[tuple[str, ...]], texts: list[str]) -> NDArray[np.int64]:
    """Put the sections behind the whole texts; give each report's rows, [reports, readings].

    Whole and apart come up alike; a report of one section has its whole text everywhere. Of
    more than MOST_APART sections the first are read apart.
    """
    rows = []
    for whole, parts in enumerate(sections):
        apart = parts[:MOST_APART] if len(parts) > 1 else ()
        rows.append([whole, *range(len(texts), len(texts) + len(apart))])
        texts += apart
    width = math.lcm(*{len(row) for row in rows})
    return np.array([row * (width // len(row)) for row in rows], np.int64)


def _stands(table: Path, listing: Listing, labels: MinedLabels) -> bool:
    if not table.is_file():
        return False
    try:
        manifest = read_manifest(table)
    except LabelTableError as error:
        logger.warning("mining again: %s", error)
        return False
    made = (manifest.corpus_hash, manifest.rules_hash, manifest.labeler_version)
    rules_hash = Labeler(labels.profile).rules_hash
    return made == (listing.content_hash, rules_hash, version("kerley"))


def _order_labels(table: pd.DataFrame, study_ids: pd.Series, path: Path) -> pd.DataFrame:
    ordered = table.set_index("study_id").reindex(study_ids).reset_index()
    if not study_ids.isin(table["study_id"]).any():
        raise PreparationError(f"{path}: none of the corpus's {len(study_ids)} studies is in it")
    return ordered


def _check_teachable(prepared: PreparedData, table: Path) -> None:
    known = severity_targets(prepared.labels).known
    train = prepared.studies["split"].to_numpy() == "train"
    if not (known & train).any():
        raise PreparationError(
            f"{table}: no training study has a severity ({int(known.sum())} of {len(known)} studies"
            " have one); severity cannot be learned from this label table"
        )
    shown = prepared.images["study"].to_numpy()
    if not known[shown[prepared.rows("train")]].any():
        left_out = ", ".join(f"{count} {kind}" for kind, count in prepared.left_out.items())
        raise PreparationError(
            f"{table}: none of the {int((known & train).sum())} training studies with a severity"
            f" has a readable frontal image; left out are {left_out}"
        )
