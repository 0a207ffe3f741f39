"""A whole run, from settings to a graded test set: prepare, train, calibrate, evaluate, write."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from tokenizers import Tokenizer

from configs.files import hash_json, write_text
from data_cards.lineage import Lineage
from joint.evaluation.metrics import (
    Evaluation,
    evaluate_predictions,
    fit_calibration,
    fit_likely_grades,
    fit_risk_threshold,
)
from joint.grader_export import export_grader
from joint.joint_settings import JointTaskSettings
from joint.joint_task import JointTask
from joint.lineage.record import add_predictions, name_run, record_grader, record_run
from joint.loop import LoopReport
from joint.metrics_log import find_best
from joint.model_card import write_model_card
from joint.predictions import (
    add_calibrated,
    add_reported,
    evaluation_rows,
    read_reference,
    tabulate_predictions,
    write_predictions,
)
from joint.prepare import PreparedData, grading_data, pair_data, prepare_data, training_texts
from joint.resuming.changes import check_names
from joint.resuming.lock import lock_run
from joint.resuming.start_weights import StartSettings, hash_start, load_start, load_start_tokenizer
from joint.run_figures import draw_run
from joint.run_folder import RunFolder
from joint.run_record import RunPlace, RunRecord
from joint.run_settings import RunSettings
from joint.text_encoder import build_text_encoder, build_tokenizer
from joint.tracking.tables import tabulate_curves
from joint.training.launch import make_accelerator, prepare_in_turn
from joint.training.session import RunStart, open_session
from joint.training.settings import hash_training
from vision.encoder_weights import hash_encoder_weights
from vision.encoders import check_encoder
from vision.grading_task import GradingTask
from vision.metrics import MetricsError
from vision.report_to_image import hash_correction, load_correction
from vision.risk_limits import RiskThreshold

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """What a run came to; evaluation and predictions are None when it was interrupted."""

    folder: RunFolder
    report: LoopReport
    evaluation: Evaluation | None = None
    predictions: pd.DataFrame | None = None
    tracking_problems: int = 0


def run_training(settings: RunSettings, *, accept: Collection[str] = ()) -> RunResult:
    """Train and evaluate as the settings say, going on from where the run's folder stands.

    Called by every process of a launch; only the main one writes and tracks. Started again with
    the same settings, an interrupted run goes on and a finished one is only evaluated again.
    accept: names of what may differ from the run that began there (`run_changes.CHANGES`).
    Raises a ValueError of this project, with one clear message, for input that cannot be used.
    """
    folder = RunFolder.of(settings)
    folder.check_claim(settings, check_names(accept))
    reference = settings.evaluation.reference
    grades = read_reference(reference) if reference else None
    check_encoder(settings.task.tower.encoder, settings.data.cache.size)
    load_correction(settings.task.report_to_image)  # a missing file is named before long work
    hash_start(settings.start)
    accelerator = make_accelerator(settings.loop)
    with lock_run(folder.path, accelerator):
        return _run_locked(settings, folder, accelerator, grades=grades, accept=accept)


def _run_locked(
    settings: RunSettings,
    folder: RunFolder,
    accelerator: Accelerator,
    *,
    grades: pd.Series | None,
    accept: Collection[str],
) -> RunResult:
    prepared = prepare_in_turn(lambda build: prepare_data(settings.data, build=build), accelerator)
    if accelerator.is_main_process:
        folder.claim(settings, accept)
    accelerator.wait_for_everyone()
    task, hashes = build_task(settings, prepared, folder, accelerator)
    load_start(task.model, settings.start)
    place = RunPlace(settings, folder, prepared, hashes)
    start = RunStart(settings, folder, hashes, accept)
    with open_session(task, start, accelerator) as session:
        if accelerator.is_main_process:
            record_run(place)
        report = session.train()
        if report.interrupted:
            return RunResult(folder, report)
        step = session.load_best()
        outputs = session.loop.predict(evaluation_rows(prepared))
        weights = accelerator.get_state_dict(session.loop.model)
        grading = task.grading if isinstance(task, JointTask) else task
        frame = tabulate_predictions(outputs, prepared, grading.data, settings.task.tower.findings)
        frame = add_reported(frame, grading.transition)
        made = _evaluate(place, frame, outputs, grades)
        session.record("evaluate", step, made.evaluation.numbers())
        tracker = session.tracker
        if accelerator.is_main_process:
            tables = tabulate_curves(made.predictions, grades)
            tracker.log_result(step, tables, find_best(session.log.rows()))
            lineage = _write_result(made, weights)
            sources = {"grader": folder.grader, "predictions": folder.predictions}
            tracker.log_artifacts(lineage, sources)
    accelerator.wait_for_everyone()
    return RunResult(folder, report, made.evaluation, made.predictions, tracker.problems)


def _write_result(made: RunRecord, weights: Mapping[str, torch.Tensor]) -> Lineage:
    folder = made.place.folder
    write_predictions(folder.predictions, made.predictions, [name_run(made.place)])
    lineage = add_predictions(made.place)
    export_grader(made, weights, lineage)
    whole = record_grader(folder, lineage)
    write_model_card(made, draw_run(folder, made.predictions))
    return whole


def build_task(
    settings: RunSettings, prepared: PreparedData, folder: RunFolder, accelerator: Accelerator
) -> tuple[GradingTask | JointTask, dict[str, str]]:
    """Build model and task, the same on every process, and the hashes that name the run."""
    hashes = {"settings": hash_training(settings), **prepared.hashes}
    kind = settings.task
    hashes |= hash_encoder_weights(kind.tower.encoder) | hash_correction(kind.report_to_image)
    hashes |= hash_start(settings.start)
    images = grading_data(
        prepared, kind.tower.findings, uncertain=settings.data.uncertain, seed=settings.seed
    )
    torch.manual_seed(settings.seed)
    if not isinstance(kind, JointTaskSettings):
        return GradingTask(kind, images, seed=settings.seed), hashes
    tokenizer = _load_tokenizer(kind, prepared, folder, accelerator, start=settings.start)
    hashes["tokenizer"] = hash_json(tokenizer.to_str())
    pairs = pair_data(prepared, tokenizer, max_tokens=kind.text.max_tokens, sections=kind.sections)
    text = build_text_encoder(kind.text, tokenizer)
    return JointTask(kind, images, pairs, text, seed=settings.seed), hashes


def _load_tokenizer(
    settings: JointTaskSettings,
    prepared: PreparedData,
    folder: RunFolder,
    accelerator: Accelerator,
    *,
    start: StartSettings | None,
) -> Tokenizer:
    has_begun = (folder.checkpoints / "last").exists() and folder.tokenizer.is_file()
    if accelerator.is_main_process and not has_begun:
        tokenizer = (
            load_start_tokenizer(start)
            if start is not None
            else build_tokenizer(settings.text, training_texts(prepared))
        )
        write_text(folder.tokenizer, tokenizer.to_str(pretty=True))
    accelerator.wait_for_everyone()
    return Tokenizer.from_file(str(folder.tokenizer))


def _evaluate(
    place: RunPlace,
    frame: pd.DataFrame,
    outputs: Mapping[str, NDArray[np.float32]],
    grades: pd.Series | None,
) -> RunRecord:
    asked, seed = place.settings.evaluation, place.settings.seed
    calibration = fit_calibration(frame, asked, grades, seed=seed)
    frame = add_calibrated(frame, calibration)
    evaluation = evaluate_predictions(frame, grades, resamples=asked.resamples, seed=seed)
    conformal = fit_likely_grades(frame, asked, grades, seed=seed)
    risk = _limit_risk(place.settings, frame, grades)
    embeddings = outputs["embeddings"]
    return RunRecord(place, frame, embeddings, calibration, evaluation, conformal, risk)


def _limit_risk(
    settings: RunSettings, frame: pd.DataFrame, grades: pd.Series | None
) -> RiskThreshold | None:
    """Set the confidence below which the grader abstains; a run ends without one, and says so,
    when its validation images are too few for the share asked for."""
    asked = settings.evaluation
    if asked.largest_risk is None:
        return None
    try:
        return fit_risk_threshold(
            frame, asked, grades, target_risk=asked.largest_risk, seed=settings.seed
        )
    except MetricsError as error:
        logger.warning("evaluation.largest_risk: %s", error)
        return None
