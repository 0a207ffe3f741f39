"""What a run that outlines a structure ends with: scores, predictions, figures, model and card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import Tensor

from configs.files import write_atomically
from data_cards.lineage import Lineage
from joint.html_report import format_cell
from joint.image_runs.class_trust import describe_checks
from joint.image_runs.kinds import ImageRunPlace, TrainedImages
from joint.image_runs.lineage import add_predictions, record_model
from joint.image_runs.mask_card import MaskFacts, write_mask_card
from joint.image_runs.mask_scores import (
    METRIC_LABELS,
    Predict,
    ScoredMasks,
    crop,
    measure_rows,
    score_sets,
    usual_shares,
)
from joint.image_runs.mask_trust import examine_masks
from joint.metrics_log import MetricsLog
from vision.figure_style import PNG_DOTS_PER_INCH
from vision.figures import loss_curves
from vision.grade_table import disarm
from vision.segmentation.gallery import Case, choose_cases, dice_spread, gallery
from vision.segmentation.network import build_network
from vision.segmentation.segmenter import Segmenter
from vision.segmentation.task import SegmentationData, SegmentationTask

NETWORK_PREFIX = "network."


def finish_segmentation(trained: TrainedImages) -> list[str]:
    """Measure and write what a segmenter came to; give the lines that are printed.

    Images are measured as they are framed, without their padding. Files are written by the main
    process.
    """
    place, session = trained.place, trained.session
    prepared, settings = place.prepared, place.settings
    task: SegmentationTask = trained.task
    rows = np.flatnonzero((prepared.images["split"] != "train").to_numpy())
    predict: Predict = session.loop.predict
    measured = measure_rows(prepared, task.data, rows, predict)
    sets = score_sets(
        prepared, measured, seed=settings.seed, resamples=settings.evaluation.resamples
    )
    numbers = {name: value and value.value for name, value in sets["test"].scores.items()}
    session.record("evaluate", trained.step, numbers)
    cases = {name: _find_cases(place, task.data, s, predict) for name, s in sets.items()}
    lines = describe_scores(sets)
    if session.accelerator.is_main_process:
        usual = usual_shares(prepared, task.data)
        _write_files(place, measured, sets, cases)
        lineage = add_predictions(place)
        _save_segmenter(place, task, trained.weights, usual, lineage)
        record_model(place, lineage)
        checks = examine_masks(place) if settings.evaluation.trust else None
        write_mask_card(place, MaskFacts(sets, usual, checks))
        lines += describe_checks(checks or ())
    return lines


def describe_scores(sets: Mapping[str, ScoredMasks]) -> list[str]:
    """Give the scores of each set as lines of text."""
    lines = []
    for name, scored in sets.items():
        lines.append(f"{name}: {len(scored.rows)} images of {len(set(scored.patients))} patients")
        lines += [
            f"  {label:34}{format_cell(scored.scores[metric]):>24}"
            for metric, label in METRIC_LABELS.items()
        ]
    return lines


def _save_segmenter(
    place: ImageRunPlace,
    task: SegmentationTask,
    weights: Mapping[str, Tensor],
    usual: tuple[float, float],
    lineage: Lineage,
) -> None:
    settings = task.settings.network
    network = build_network(settings, load_weights=False)
    network.load_state_dict(
        {name.removeprefix(NETWORK_PREFIX): part for name, part in weights.items()}
    )
    Segmenter(
        network,
        settings,
        place.settings.data.cache,
        structure=task.settings.structure,
        usual_share=usual,
        provenance=dict(place.hashes),
        lineage=lineage,
    ).save(place.folder.model)


def _find_cases(
    place: ImageRunPlace, data: SegmentationData, scored: ScoredMasks, predict: Predict
) -> list[Case]:
    """Predict the worst, ordinary and best images of a set anew; on every process."""
    dice = scored.metrics["dice"].to_numpy()
    cases = []
    for group, places in choose_cases(dice).items():
        for number in places:
            row = scored.rows[[number]]
            (pixels,) = place.prepared.cache.read(data.cache_rows[row])
            (truth,) = data.masks.read(data.mask_rows[row])
            drawn = predict(row)["mask_logits"][0] > 0
            cut = [crop(place.prepared, int(row[0]), part) for part in (pixels, truth, drawn)]
            cases.append(
                Case(
                    np.asarray(cut[0], np.uint8),
                    np.asarray(cut[1], np.uint8),
                    np.asarray(cut[2], bool),
                    float(dice[number]),
                    group,
                )
            )
    return cases


def _write_files(
    place: ImageRunPlace,
    measured: pd.DataFrame,
    sets: Mapping[str, ScoredMasks],
    cases: Mapping[str, list[Case]],
) -> None:
    folder = place.folder
    about = place.prepared.images[["source", "split"]].loc[measured.index]
    paths = pd.Series(place.prepared.relative_paths()).loc[measured.index].map(disarm)
    table = pd.concat([paths.rename("path"), about, measured], axis=1)
    with write_atomically(folder.predictions) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    folder.write_left_out(place.prepared.skipped)
    folder.figures.mkdir(parents=True, exist_ok=True)
    rows = list(MetricsLog(folder.metrics).rows())
    loss_curves({folder.path.name: rows}).savefig(folder.figures / "loss_curves.svg")
    spread = {name: scored.metrics["dice"].to_numpy() for name, scored in sets.items()}
    dice_spread(spread).savefig(folder.figures / "dice.svg")
    for name, shown in cases.items():
        file = folder.figures / name_gallery(name)
        gallery(shown).savefig(file, dpi=PNG_DOTS_PER_INCH, metadata={"Software": None})


def name_gallery(name: str) -> str:
    """Name the gallery of a set: `gallery_test.png`, `gallery_external_montgomery.png`."""
    return f"gallery_{name.replace(': ', '_')}.png"
