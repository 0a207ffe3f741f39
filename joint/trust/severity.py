"""What a run that grades severity gives the trust report: images above grade 0 against the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.image_sources import join_source
from data_cards.study import Listing
from joint.image_runs.prepare import count_bits
from joint.predictions import report_columns
from joint.prepare import PreparedData
from joint.run_settings import RunSettings
from joint.targets import severity_targets
from joint.trust.inputs import COLUMNS, UNKNOWN, Pixels, Probabilities, TrustInputs
from joint.trust.lungs import open_lungs
from vision.grader import Grader, level_probabilities

CLASSES = ("grade 0", "above 0")
IMAGES_AT_ONCE = 64


def gather_severity_inputs(
    settings: RunSettings,
    prepared: PreparedData,
    listing: Listing,
    test: pd.DataFrame,
    grader: Path,
) -> TrustInputs:
    """Put a run's images, the report's grades and its grader before the trust report.

    test: the run's predictions of test images. grader: its folder; raises GraderError where it
    cannot be read, SegmentationError for the lungs of `evaluation.lungs`.
    """
    cache_rows = prepared.images["cache_row"].to_numpy()
    severity = severity_targets(prepared.labels)
    study = prepared.images["study"].to_numpy()
    above = (severity.values[study].argmax(axis=1) > 0).astype(np.int64)
    rows = _list_rows(prepared, listing)
    return TrustInputs(
        rows=rows,
        labels=np.where(severity.known[study], above, UNKNOWN),
        classes=CLASSES,
        pixels=lambda asked: prepared.cache.read(cache_rows[asked]),
        probabilities=_order_predictions(rows, prepared.images, test),
        predict=ask_grader(Grader.load(grader)),
        lung_masks=open_lungs(settings.evaluation.lungs),
        root=listing.root,
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )


def ask_grader(grader: Grader) -> Callable[[Pixels], Probabilities]:
    """Give what grades framed images: the chances of grade 0 and of any above, [n, 2]."""

    def predict(pixels: Pixels) -> Probabilities:
        found = []
        for start in range(0, len(pixels), IMAGES_AT_ONCE):
            scored = grader.engine.score(pixels[start : start + IMAGES_AT_ONCE])
            levels = level_probabilities(scored.severity_logits)
            if grader.severity_calibration is not None:
                levels = grader.severity_calibration.apply(levels)
            found.append(_split(np.asarray(levels, np.float64)))
        return np.concatenate(found)

    return predict


def _split(levels: NDArray[np.float64]) -> Probabilities:
    return np.stack([levels[:, 0], 1 - levels[:, 0]], axis=1)


def _list_rows(prepared: PreparedData, listing: Listing) -> pd.DataFrame:
    columns = ["study_id", "sex", "age", "images", "source"]
    wanted = set(prepared.studies["study_id"])
    facts = {
        study["study_id"]: study
        for study in listing.studies.select_columns(columns)
        if study["study_id"] in wanted
    }
    studies = prepared.studies.iloc[prepared.images["study"].to_numpy()]
    index = prepared.cache.index
    rows = []
    for name, number, row in zip(
        studies["study_id"], prepared.images["image"], prepared.images["cache_row"], strict=True
    ):
        study, provenance = facts[name], prepared.cache.provenance_of(row)
        rows.append(
            {
                "source": join_source(listing.corpus, study["source"]),
                "view": study["images"][number]["view"],
                "sex": study["sex"],
                "age": study["age"],
                "width": provenance.width,
                "height": provenance.height,
                "bits": count_bits(provenance),
                "sha256": provenance.sha256,
                "path": index["path"].iloc[row],
            }
        )
    own = studies[["study_id", "patient_id", "split"]].reset_index(drop=True)
    return pd.concat([own, pd.DataFrame(rows)], axis=1)[list(COLUMNS)]


def _order_predictions(
    rows: pd.DataFrame, images: pd.DataFrame, test: pd.DataFrame
) -> Probabilities | None:
    """Give the predictions of the rows of the test split; None unless they are of these images."""
    _, columns = report_columns(test)
    known = test.set_index(["study_id", "image"])[columns[0]]
    wanted = (rows["split"] == "test").to_numpy()
    names = pd.MultiIndex.from_arrays([rows["study_id"][wanted], images["image"][wanted]])
    if not known.index.is_unique or not names.isin(known.index).all():
        return None
    none = known.loc[names].to_numpy(np.float64)
    return np.stack([none, 1 - none], axis=1)
