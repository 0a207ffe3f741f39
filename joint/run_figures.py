"""The figures of one run, drawn from its record and its predictions alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from joint.metrics_log import MetricsLog
from joint.predictions import report_columns
from joint.run_folder import RunFolder
from vision.figures import confusion_matrices, loss_curves, reliability_diagram, roc_per_threshold
from vision.metrics import confusion, predict_levels


def draw_run(folder: RunFolder, predictions: pd.DataFrame) -> list[str]:
    """Write `figures/*.svg`; return their names. What the test set does not define is left out."""
    figures: dict[str, Figure] = {}
    rows = list(MetricsLog(folder.metrics).rows())
    if any(row["kind"] == "train" for row in rows):
        figures["loss_curves"] = loss_curves({folder.path.name: rows})
    test = predictions[(predictions["split"] == "test") & predictions["report_severity"].notna()]
    if len(test):
        levels = test["report_severity"].to_numpy(np.int64)
        raw, calibrated = (test[list(columns)].to_numpy() for columns in report_columns(test))
        figures["confusion"] = confusion_matrices(
            {"against the report's grade": confusion(levels, predict_levels(calibrated))}
        )
        figures["reliability"] = reliability_diagram(
            {"before calibration": raw, "after calibration": calibrated}, levels
        )
        figures["roc"] = roc_per_threshold({folder.path.name: calibrated}, levels)
    folder.figures.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder.figures / f"{name}.svg")
    return sorted(figures)
