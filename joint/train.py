"""`python -m joint.train CONFIG [key=value …]`: what `accelerate launch -m` starts everywhere."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from configs.settings import load_settings, peek_setting
from joint.evaluation.controls import CONTROLS, ControlError, derive_control
from joint.evaluation.metrics import Evaluation
from joint.html_report import format_cell
from joint.image_runs.run import ImageRunResult, run_image_training
from joint.image_runs.settings import ImageRunSettings
from joint.resuming.changes import ACCEPT_OPTION
from joint.resuming.stop_request import STOPPED_EXIT_CODE
from joint.run import RunResult, run_training
from joint.run_settings import RunSettings
from joint.training.launch import leave_launch
from joint.training.settings import IMAGE_TASKS
from vision.metrics import METRIC_LABELS

INTERRUPTED_EXIT_CODE = STOPPED_EXIT_CODE
BAD_INPUT_EXIT_CODE = 2
ROOMS = frozenset({"configs", "data_cards", "text_labeler", "vision", "joint"})


def train(
    config: Path,
    overrides: Sequence[str],
    accept: Collection[str] = (),
    *,
    control: str | None = None,
) -> RunResult | ImageRunResult:
    """Load the settings and train what `task.kind` says; the same on one process and on many.

    accept: what may differ from the run that is gone on with (`run_changes.CHANGES`). control:
    train this control of the run instead (`controls.CONTROLS`), beside it; images alone have none.
    """
    kind = peek_setting(config, overrides, "task.kind")
    if kind in IMAGE_TASKS:
        if control is not None:
            raise ControlError(f"--control {control}: a run of task.kind {kind} has no report")
        images = load_settings(ImageRunSettings, config, overrides)
        return run_image_training(images, accept=accept)
    settings = load_settings(RunSettings, config, overrides)
    if control is not None:
        settings = derive_control(settings, control)
    return run_training(settings, accept=accept)


def is_interrupted(result: RunResult | ImageRunResult) -> bool:
    """Say whether a run was stopped before its end; the same command goes on."""
    return (result.lines if isinstance(result, ImageRunResult) else result.evaluation) is None


def describe_result(result: RunResult | ImageRunResult) -> list[str]:
    """Say in lines of text what a run came to."""
    progress = result.report.progress
    if is_interrupted(result):
        return [
            f"interrupted after step {progress.step}, which is saved; the same command goes on",
        ]
    best = progress.best_step
    picked = "no validation score, the last counts" if best is None else f"best at step {best}"
    lines = [f"{result.folder.path}: {progress.step} steps, {picked}"]
    if progress.skipped:
        lines.append(f"{progress.skipped} steps skipped: loss or gradient not finite")
    if result.tracking_problems:
        lines.append(f"W&B failed {result.tracking_problems} times; metrics.jsonl is complete")
    if isinstance(result, ImageRunResult):
        return lines + (result.lines or [])
    return lines + (describe_evaluation(result.evaluation) if result.evaluation else [])


def describe_evaluation(evaluation: Evaluation) -> list[str]:
    """Give the test metrics as tables in lines of text: severity per reference, then findings."""
    tables: Mapping[str, Mapping[str, object]] = evaluation.calibrated
    heads = {"report": "report (p_report)", "reference": "reference (p_image)"}
    named = [heads[name] if evaluation.is_corrected else name for name in tables]
    lines = [f"{'on the image alone':24}" + "".join(f"{head:>26}" for head in named)]
    lines.append(f"{'test images':24}" + "".join(f"{evaluation.images[n]:>26}" for n in tables))
    for metric, label in METRIC_LABELS.items():
        cells = [format_cell(values[metric]) for values in evaluation.calibrated.values()]
        lines.append(f"{label:24}" + "".join(f"{cell:>26}" for cell in cells))
    columns = {"images": "n", "positive": "positives", "AUC": "auc", "AP": "average_precision"}
    lines.append(f"{'against the report':24}" + "".join(f"{head:>10}" for head in columns))
    for finding, values in evaluation.findings.items():
        cells = [format_cell(values[name]) for name in columns.values()]
        lines.append(f"{finding:24}" + "".join(f"{cell:>10}" for cell in cells))
    return lines


def main(arguments: Sequence[str]) -> int:
    """Run from the command line; returns the exit code. Only the main process prints."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m joint.train")
    parser.add_argument("config", type=Path, help="a YAML file, or the name of one in configs/")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change")
    parser.add_argument(ACCEPT_OPTION, action="append", default=[], metavar="NAME", dest="accept")
    parser.add_argument("--control", choices=sorted(CONTROLS), help="train this control instead")
    asked = parser.parse_intermixed_args(arguments)
    try:
        result = train(asked.config, asked.overrides, asked.accept, control=asked.control)
    except ValueError as error:
        if type(error).__module__.split(".")[0] not in ROOMS:
            raise
        sys.stderr.write(f"kerley: {error}\n")
        return BAD_INPUT_EXIT_CODE
    finally:
        leave_launch()
    if os.environ.get("RANK", "0") == "0":
        sys.stdout.write("\n".join(describe_result(result)) + "\n")
    return INTERRUPTED_EXIT_CODE if is_interrupted(result) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
