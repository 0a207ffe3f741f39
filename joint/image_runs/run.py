"""A whole run on images alone: prepare, train, evaluate, write; it goes on where it stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from joint.image_runs import classification, segmentation
from joint.image_runs.folder import ImageRunFolder
from joint.image_runs.kinds import ImageRunKind, ImageRunPlace, TrainedImages
from joint.image_runs.lineage import record_run
from joint.image_runs.prepare import prepare_images
from joint.image_runs.settings import ImageRunSettings, ImageTaskSettings
from joint.lineage.record import read_lineage
from joint.loop import LoopReport
from joint.metrics_log import find_best
from joint.resuming.changes import check_names
from joint.resuming.lock import lock_run
from joint.training.launch import make_accelerator, prepare_in_turn
from joint.training.session import RunStart, Session, open_session
from joint.training.settings import hash_training
from vision.classification.task import ClassificationTaskSettings
from vision.encoder_weights import hash_encoder_weights
from vision.segmentation.network import hash_network_weights
from vision.segmentation.segmenter import read_segmenter_card

KINDS: dict[str, ImageRunKind] = {
    "classification": classification.KIND,
    "segmentation": segmentation.KIND,
}


@dataclass(frozen=True)
class ImageRunResult:
    """What a run came to, as lines to print; lines is None when it was interrupted."""

    folder: ImageRunFolder
    report: LoopReport
    lines: list[str] | None = None
    tracking_problems: int = 0


def run_image_training(
    settings: ImageRunSettings, *, accept: Collection[str] = ()
) -> ImageRunResult:
    """Train and evaluate as the settings say, going on from where the run's folder stands.

    Called by every process of a launch; only the main one writes and tracks. Started again with
    the same settings, an interrupted run goes on and a finished one is only evaluated again.
    accept: names of what may differ from the run that began there (`run_changes.CHANGES`).
    Raises a ValueError of this project, with one clear message, for input that cannot be used.
    """
    folder = ImageRunFolder.of(settings)
    folder.check_claim(settings, check_names(accept))
    accelerator = make_accelerator(settings.loop)
    with lock_run(folder.path, accelerator):
        return _run_locked(settings, folder, accelerator, accept)


def _run_locked(
    settings: ImageRunSettings,
    folder: ImageRunFolder,
    accelerator: Accelerator,
    accept: Collection[str],
) -> ImageRunResult:
    kind = KINDS[settings.task.kind]
    listed = prepare_in_turn(lambda build: prepare_images(settings.data, build=build), accelerator)
    prepared = kind.select(settings, listed)
    if accelerator.is_main_process:
        folder.claim(settings, accept)
    accelerator.wait_for_everyone()
    hashes = {"settings": hash_training(settings), **prepared.hashes}
    hashes |= _hash_weights(settings.task)
    torch.manual_seed(settings.seed)
    task = kind.build(settings, prepared)
    place = ImageRunPlace(settings, folder, prepared, hashes)
    with open_session(task, RunStart(settings, folder, hashes, accept), accelerator) as session:
        if accelerator.is_main_process:
            record_run(place)
        report = session.train()
        if report.interrupted:
            return ImageRunResult(folder, report)
        trained = _load_best(place, session, report)
        lines = kind.finish(trained)
        session.tracker.log_result(trained.step, {}, find_best(session.log.rows()))
        if accelerator.is_main_process:
            session.tracker.log_artifacts(read_lineage(folder), {})
    accelerator.wait_for_everyone()
    return ImageRunResult(folder, report, lines, session.tracker.problems)


def _load_best(place: ImageRunPlace, session: Session, report: LoopReport) -> TrainedImages:
    step = session.load_best()
    weights = session.accelerator.get_state_dict(session.loop.model)
    return TrainedImages(place, session.task, session, report, step, weights)


def _hash_weights(task: ImageTaskSettings) -> dict[str, str]:
    """Name the local files that training starts from, if it does."""
    if isinstance(task, ClassificationTaskSettings):
        return hash_encoder_weights(task.encoder)
    hashes = hash_network_weights(task.network)
    if task.start is not None:
        hashes["start"] = read_segmenter_card(task.start).weights_sha256
    return hashes
