"""The benchmark's corpus: the phantom drawn once, its images cached, and reports per reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from configs.files import hash_json, write_atomically
from data_cards.phantom.causal import make_patient, plan_patients
from data_cards.phantom.generator import make_phantom
from data_cards.phantom.reporter import write_report
from data_cards.phantom.rows import study_truth
from data_cards.phantom.settings import PhantomSettings
from joint.benchmark.settings import BenchmarkSettings
from joint.report_text import ReportReader
from joint.task import Rows
from vision.cache import CacheSettings, ImageCache, build_cache

TRUTH_COLUMNS = ("study_id", "patient_id", "split", "severity", "reported_severity")
KEPT_COLUMNS = (*TRUTH_COLUMNS, "states_severity", "Support Devices")


@dataclass(frozen=True)
class BenchmarkCorpus:
    """One reader's reports beside the images that every reader saw.

    studies: one row per study: KEPT_COLUMNS of the phantom's truth, and `text`, what a text
    encoder reads. study_of, cache_rows: [images], frontal views alone.
    """

    studies: pd.DataFrame
    study_of: Rows
    cache_rows: Rows
    cache: ImageCache

    def rows(self, split: str) -> Rows:
        """Give the image rows of a split."""
        splits = self.studies["split"].to_numpy()[self.study_of]
        return np.flatnonzero(splits == split)

    def of_images(self, column: str) -> np.ndarray:
        """Give a column of the studies, one value per image."""
        return np.asarray(self.studies[column].to_numpy()[self.study_of])


def corpus_folder(folder: Path, settings: BenchmarkSettings) -> Path:
    """Name where a phantom stands under `folder`: by everything that decides its images."""
    return folder / f"phantom-{hash_json(settings.drawn().model_dump())[:12]}"


def draw_corpus(folder: Path, settings: BenchmarkSettings, *, workers: int) -> None:
    """Draw the phantom and cache its frontal images, unless they stand already."""
    root = corpus_folder(folder, settings)
    make_phantom(root / "corpus", settings.drawn(), workers=workers)
    cache = CacheSettings(size=settings.image_size)
    build_cache(_list_images(root)["path"].tolist(), _cache_folder(root, cache), cache)


def write_reader(folder: Path, settings: BenchmarkSettings, *, bias: float, sigma: float) -> None:
    """Write what a reader of this bias and scatter says of every study, unless it stands."""
    phantom = settings.phantom(bias=bias, sigma=sigma)
    file = _reader_file(corpus_folder(folder, settings), phantom)
    if file.is_file():
        return
    read_report = ReportReader()
    rows, study = [], 0
    for index, count in enumerate(plan_patients(phantom.seed, phantom.studies)):
        patient = make_patient(phantom.seed, index, study, count)
        for visit, state in enumerate(patient.studies):
            report = write_report(phantom, patient, visit)
            truth = study_truth(patient, state, report)
            kept = {name: truth[name] for name in KEPT_COLUMNS}
            rows.append(kept | {"text": read_report(report.text)})
        study += count
    with write_atomically(file) as temporary:
        pd.DataFrame(rows).to_parquet(temporary, index=False)


def open_corpus(
    folder: Path, settings: BenchmarkSettings, *, bias: float, sigma: float
) -> BenchmarkCorpus:
    """Open what `draw_corpus` and `write_reader` made."""
    root = corpus_folder(folder, settings)
    studies = pd.read_parquet(_reader_file(root, settings.phantom(bias=bias, sigma=sigma)))
    cache = ImageCache.open(_cache_folder(root, CacheSettings(size=settings.image_size)))
    images = _list_images(root)
    numbers = pd.Series(np.arange(len(studies)), index=studies["study_id"])
    return BenchmarkCorpus(
        studies=studies,
        study_of=numbers.loc[images["study_id"]].to_numpy(np.int64),
        cache_rows=np.array([cache.row_of(path) for path in images["path"]], np.int64),
        cache=cache,
    )


def _list_images(root: Path) -> pd.DataFrame:
    """List the frontal images: study_id and path, in the corpus's order."""
    images = pd.read_csv(root / "corpus" / "images.csv", keep_default_na=False)
    frontal = images[images["view"] != "LATERAL"].reset_index(drop=True)
    return frontal.assign(path=[root / "corpus" / path for path in frontal["path"]])


def _cache_folder(root: Path, cache: CacheSettings) -> Path:
    return root / f"images-{cache.size}-{cache.preprocessing_hash[:8]}"


def _reader_file(root: Path, phantom: PhantomSettings) -> Path:
    return root / f"reader-{hash_json(phantom.model_dump())[:12]}.parquet"
