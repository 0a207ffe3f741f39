"""A later evaluation of a run, mirrored as a run of its own beside it: job type `evaluate`."""

from __future__ import annotations

import pandas as pd

from joint.evaluation.metrics import Evaluation
from joint.metrics_log import MetricsLog, find_best
from joint.predictions import read_predictions
from joint.run_folder import RunFolder
from joint.tracking.artifacts import ALIAS_DIGITS
from joint.tracking.settings import public_settings
from joint.tracking.tables import tabulate_curves
from joint.tracking.tracker import Tracker
from joint.training.settings import hash_recipe


def mirror_evaluation(
    folder: RunFolder, evaluation: Evaluation, reference: pd.Series | None
) -> Tracker:
    """Mirror an evaluation as the run's settings say, in `evaluation/wandb`; return its tracker.

    Done again it is the same run at W&B; `kerley sync RUN` sends it and names its predictions.
    """
    settings = folder.read_settings()
    rows = list(MetricsLog(folder.metrics).rows())
    best = find_best(rows)
    step = int((best or {"step": settings.loop.steps})["step"])
    tracker = Tracker(
        folder.evaluation,
        settings.tracking,
        config=public_settings(settings),
        job="evaluate",
        group=hash_recipe(settings)[:ALIAS_DIGITS],
    )
    tracker.catch_up(())  # what was not sent before is written anew
    tracker.log({"kind": "evaluate", "step": step, **evaluation.numbers()})
    tracker.log_result(step, tabulate_curves(read_predictions(folder.predictions), reference), best)
    tracker.finish()
    return tracker
