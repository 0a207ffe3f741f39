"""What the words of a joint run are worth: retrieval and prompts, or why they are not measured."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joint.evaluation.embeddings import Embeddings, EmbeddingsError, embed_test_set
from joint.evaluation.prompt_scores import PromptScores, measure_prompts
from joint.evaluation.retrieval import Retrieval, StudyPlaces, average_by_study, measure_retrieval
from joint.evaluation.sections import NotMeasured
from joint.evaluation.zero_shot import read_prompts
from joint.joint_settings import JointTaskSettings
from joint.prepare import PreparedData
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings

logger = logging.getLogger(__name__)


def embed_run(
    folder: RunFolder,
    settings: RunSettings,
    prepared: PreparedData | NotMeasured,
    test: pd.DataFrame,
) -> Embeddings | NotMeasured:
    """Place the test set, whose predictions are `test`, where the run's best checkpoint puts it."""
    if not isinstance(settings.task, JointTaskSettings):
        return NotMeasured("an image-only run reads no words")
    if isinstance(prepared, NotMeasured):
        return prepared
    studies = prepared.images["study"].to_numpy()[prepared.rows("test")]
    if prepared.studies["study_id"].to_numpy()[studies].tolist() != test["study_id"].tolist():
        return NotMeasured("the test set has changed since the predictions were made")
    try:
        return embed_test_set(folder, settings, prepared, read_prompts())
    except EmbeddingsError as error:
        logger.warning("without retrieval and prompts: %s", error)
        return NotMeasured("its checkpoint cannot be read here, or its data have changed since")


def retrieve(
    places: Embeddings | NotMeasured, test: pd.DataFrame, settings: RunSettings
) -> tuple[Retrieval, Retrieval] | NotMeasured:
    """Measure retrieval among test studies with a report; test: as in `embed_run`."""
    if isinstance(places, NotMeasured):
        return places
    with_report = places.study >= 0
    if not with_report.any():
        return NotMeasured("no test study has a report")
    studies = places.study[with_report]
    images = average_by_study(
        places.images[with_report],
        studies,
        len(places.reports),
        unit_length=places.unit_length,
    )
    _, first = np.unique(studies, return_index=True)
    patients = test["patient_id"].to_numpy()[with_report][first].tolist()
    return measure_retrieval(
        StudyPlaces(images, places.reports, places.groups, places.measure),
        patients,
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )


def score_prompts(
    places: Embeddings | NotMeasured,
    test: pd.DataFrame,
    levels: Mapping[str, pd.Series],
    heads: Mapping[str, NDArray[np.float64]],
    settings: RunSettings,
) -> PromptScores | NotMeasured:
    """Hold prompts against the heads; levels, heads: as in `measure_prompts`."""
    if isinstance(places, NotMeasured):
        return places
    return measure_prompts(
        places,
        test,
        levels,
        heads,
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )
