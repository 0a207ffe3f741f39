"""Everything that a finished run is measured by, in one place, for its page and its card."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.corpora import find_corpus
from data_cards.findings import FINDINGS
from data_cards.label_table import LabelTableError, probability_column
from data_cards.study import CorpusError, Listing
from joint.evaluation.controls import CONTROLS, ControlComparison, compare_control
from joint.evaluation.metrics import Evaluation, evaluate_predictions
from joint.evaluation.prompt_scores import PromptScores
from joint.evaluation.retrieval import Retrieval
from joint.evaluation.sections import NotMeasured
from joint.evaluation.subgroups import Subgroup, measure_subgroups, read_attributes
from joint.evaluation.words import embed_run, retrieve, score_prompts
from joint.joint_settings import JointTaskSettings
from joint.predictions import (
    CALIBRATED,
    PredictionsError,
    read_predictions,
    read_reference,
    report_columns,
    reported_column,
)
from joint.prepare import PreparationError, PreparedData, prepare_data
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.trust.check import TrustCheck
from joint.trust.severity import gather_severity_inputs
from joint.trust.severity_report import check_trust
from vision.cache import CacheError
from vision.finding_metrics import finding_metrics
from vision.grader import GraderError
from vision.intervals import Interval, finding_intervals

logger = logging.getLogger(__name__)

REPORT, IMAGE = "report", "image"
NO_CORPUS = (
    "the corpus, its label table or its image cache is not where the run's settings look for it,"
    " or has changed since"
)


class References(NamedTuple):
    """What grades are held against: `names` of "report" and "reference", and the latter's file."""

    names: tuple[str, ...]
    file: Path | None
    grades: pd.Series | None


@dataclass(frozen=True)
class RunMeasures:
    """A finished run and all that was measured of it; each part may say why it was not.

    test: its predictions of test images. grades: by reference, the known grade of each study id.
    findings: by name the metrics of `finding_metrics`. attributes: of each test image, for its
    subgroups, which are by reference.
    """

    folder: RunFolder
    settings: RunSettings
    references: References
    test: pd.DataFrame
    grades: Mapping[str, pd.Series]
    evaluation: Evaluation
    findings: Mapping[str, Mapping[str, Interval | float | None]]
    controls: tuple[ControlComparison, ...] | NotMeasured
    retrieval: tuple[Retrieval, Retrieval] | NotMeasured
    prompts: PromptScores | NotMeasured
    attributes: pd.DataFrame | None
    subgroups: Mapping[str, Sequence[Subgroup]] | NotMeasured
    trust: tuple[TrustCheck, ...] | NotMeasured

    @property
    def is_trusted(self) -> bool:
        """Whether no check of the trust report found an error."""
        return isinstance(self.trust, NotMeasured) or all(
            check.verdict != "error" for check in self.trust
        )


class _Corpus(NamedTuple):
    listing: Listing
    prepared: PreparedData


def choose_references(settings: RunSettings, asked: str | None) -> References:
    """Choose what to hold grades against.

    asked: "report", "image" (the run's own reference), a file (beside the report), or None: both
    where the run knows a reference. Raises PredictionsError for "image" where it knows none, and
    for a file that cannot be read.
    """
    own = settings.evaluation.reference
    if asked == REPORT or (asked is None and own is None):
        return References(("report",), None, None)
    if asked == IMAGE and own is None:
        raise PredictionsError(
            "--reference image: the run's settings name no evaluation.reference; give its file"
        )
    file = own if asked is None or asked == IMAGE else Path(asked)
    names = ("reference",) if asked == IMAGE else ("report", "reference")
    return References(names, file, None if file is None else read_reference(file))


def measure_run(
    path: Path, *, reference: str | None = None, controls: Sequence[str] = tuple(CONTROLS)
) -> RunMeasures:
    """Measure a finished run by everything that its folder, siblings and corpus allow.

    reference: see `choose_references`. Nothing is trained; the model is only asked again for
    embeddings. Raises a ValueError of this project when there is no run, prediction or reference.
    """
    folder = RunFolder(path)
    settings = folder.read_settings()
    chosen = choose_references(settings, reference)
    predictions = read_predictions(folder.predictions)
    test = predictions[predictions["split"] == "test"].reset_index(drop=True)
    grades = _collect_grades(test, chosen)
    asked = settings.evaluation
    evaluation = evaluate_predictions(
        predictions, chosen.grades, resamples=asked.resamples, seed=settings.seed
    ).against(chosen.names)
    corpus = _read_corpus(settings)
    attributes = None if isinstance(corpus, NotMeasured) else _list_attributes(test, corpus)
    prepared = corpus if isinstance(corpus, NotMeasured) else corpus.prepared
    places = embed_run(folder, settings, prepared, test)
    levels = {name: _grade_images(test, name, known) for name, known in grades.items()}
    heads = {name: test[_graded_columns(test, name)].to_numpy() for name in grades}
    return RunMeasures(
        folder=folder,
        settings=settings,
        references=chosen,
        test=test,
        grades=grades,
        evaluation=evaluation,
        findings=_measure_findings(test, settings),
        controls=_compare_controls(folder, settings, controls, grades),
        retrieval=retrieve(places, test, settings),
        prompts=score_prompts(places, test, levels, heads, settings),
        attributes=attributes,
        subgroups=NotMeasured(NO_CORPUS)
        if attributes is None
        else {
            name: _split_up(test, attributes, levels[name], heads[name], settings)
            for name in grades
        },
        trust=_check(corpus, folder, settings, test),
    )


def _grade_images(test: pd.DataFrame, reference: str, known: pd.Series) -> pd.Series:
    """Give each test image its grade by a reference, Int8, missing where it has none."""
    return test["study_id"].map(known).astype("Int8").rename(reference)


def _graded_columns(test: pd.DataFrame, reference: str) -> list[str]:
    """Name the calibrated columns that are held against a reference."""
    return list(report_columns(test)[1] if reference == "report" else CALIBRATED)


def _collect_grades(test: pd.DataFrame, chosen: References) -> dict[str, pd.Series]:
    grades: dict[str, pd.Series] = {}
    if "report" in chosen.names:
        said = test.drop_duplicates("study_id").set_index("study_id")["report_severity"]
        grades["report"] = said.dropna().astype(int)
    if chosen.grades is not None:
        grades["reference"] = chosen.grades
    return grades


def _measure_findings(
    test: pd.DataFrame, settings: RunSettings
) -> dict[str, dict[str, Interval | float | None]]:
    """Measure each finding on all test images whose report affirms or denies it."""
    names = [name for name in FINDINGS if reported_column(name) in test]
    if not names:
        return {}
    p, t = (
        test[[column(name) for name in names]].to_numpy(np.float64)
        for column in (probability_column, reported_column)
    )
    points = finding_metrics(p, t, names)
    intervals = finding_intervals(
        p,
        t,
        names,
        test["patient_id"].tolist(),
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )
    return {
        name: {metric: intervals[name].get(metric) or value for metric, value in values.items()}
        for name, values in points.items()
    }


def _read_corpus(settings: RunSettings) -> _Corpus | NotMeasured:
    try:
        prepared = prepare_data(settings.data, build=False)
        return _Corpus(find_corpus(settings.data.corpus).read(settings.data.root), prepared)
    except (CorpusError, PreparationError, CacheError, LabelTableError, OSError) as error:
        logger.warning("without the corpus, and what needs it: %s", error)
        return NotMeasured(NO_CORPUS)


def _compare_controls(
    folder: RunFolder,
    settings: RunSettings,
    names: Sequence[str],
    grades: Mapping[str, pd.Series],
) -> tuple[ControlComparison, ...] | NotMeasured:
    task = settings.task
    if not isinstance(task, JointTaskSettings):
        return NotMeasured("an image-only run reads no words, so it has no control of them")
    if task.shuffle_reports:
        return NotMeasured("this run is a control itself")
    if not names:
        return NotMeasured("none was asked for")
    return tuple(compare_control(folder, settings, name, grades) for name in names)


def _list_attributes(test: pd.DataFrame, corpus: _Corpus) -> pd.DataFrame:
    labels = corpus.prepared.labels
    devices: dict[str, float] = {}
    if "Support Devices" in labels:
        said = labels.set_index("study_id")["Support Devices"].dropna()
        devices = {str(study): float(code) for study, code in said.items()}
    return read_attributes(test, corpus.listing, devices)


def _split_up(
    test: pd.DataFrame,
    attributes: pd.DataFrame,
    levels: pd.Series,
    probabilities: NDArray[np.float64],
    settings: RunSettings,
) -> list[Subgroup]:
    rows = levels.notna().to_numpy()
    return measure_subgroups(
        probabilities[rows],
        levels[rows].to_numpy(np.int64),
        test.loc[rows, "patient_id"].tolist(),
        attributes[rows],
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )


def _check(
    corpus: _Corpus | NotMeasured, folder: RunFolder, settings: RunSettings, test: pd.DataFrame
) -> tuple[TrustCheck, ...] | NotMeasured:
    if isinstance(corpus, NotMeasured):
        return corpus
    try:
        inputs = gather_severity_inputs(
            settings, corpus.prepared, corpus.listing, test, folder.grader
        )
    except GraderError as error:
        return NotMeasured(f"the run's grader cannot be asked: {error}")
    return check_trust(inputs, corpus.prepared.studies, folder.path / "trust")
