"""A sweep of runs: each trial a run folder that goes on where it stood, and a table of them all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from configs.files import write_atomically
from configs.settings import load_settings, save_settings
from joint.loop import TrainingError
from joint.metrics_log import MetricsLog, find_best
from joint.run import RunResult, run_training
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.sweeps.figure import draw_sweep
from joint.sweeps.settings import SweepError, SweepSettings, Trial, draw_trials

logger = logging.getLogger(__name__)

State = Literal["finished", "stopped", "failed", "waiting"]


class SweepPlace(NamedTuple):
    """What a sweep is made of: `config` with `overrides` is the run that its trials vary."""

    config: Path
    overrides: tuple[str, ...]
    sweep: SweepSettings
    folder: Path

    @classmethod
    def of(cls, config: Path, overrides: Sequence[str], file: Path) -> SweepPlace:
        """Read both files; the folder is `<out>/<name>-<name of the sweep's file>`."""
        base = load_settings(RunSettings, config, overrides)
        sweep = load_settings(SweepSettings, file)
        return cls(config, tuple(overrides), sweep, base.out / f"{base.name}-{file.stem}")

    @property
    def group(self) -> str:
        """What the trials' runs are grouped under at W&B."""
        return f"sweep-{self.sweep.content_hash[:8]}"

    @property
    def table(self) -> Path:
        """One row per trial: its state, what it came to, and its values."""
        return self.folder / "trials.csv"

    @property
    def figure(self) -> Path:
        """What the trials came to, over each setting that differs."""
        return self.folder / "sweep.svg"

    def trial_settings(self, trial: Trial) -> RunSettings:
        """Give the settings of one trial; raises SettingsError for values that do not fit."""
        own = [f"name={trial.name}", f"out={self.folder}"]
        own.append(f"tracking.group={self.group}")
        return load_settings(RunSettings, self.config, [*self.overrides, *trial.overrides(), *own])

    def claim(self) -> None:
        """Write `sweep.yaml`; raises SweepError where another sweep began."""
        file = self.folder / "sweep.yaml"
        if file.is_file():
            begun = load_settings(SweepSettings, file)
            if begun.content_hash != self.sweep.content_hash:
                raise SweepError(
                    f"{self.folder}: another sweep began here; rename the sweep's file, or remove"
                    " that folder"
                )
        save_settings(self.sweep, file)


@dataclass(frozen=True)
class SweepResult:
    """What a sweep came to; `trials`: a row per trial, best first among the finished."""

    place: SweepPlace
    trials: pd.DataFrame
    interrupted: bool

    def best(self) -> pd.Series | None:
        """Give the best finished trial, or None."""
        done = self.trials[self.trials[self.place.sweep.metric.name].notna()]
        return None if done.empty else done.iloc[0]


Train = Callable[[RunSettings], RunResult]


def run_sweep(
    place: SweepPlace, *, count: int | None = None, train: Train = run_training
) -> SweepResult:
    """Run the trials that are not finished, one after the other, in this process.

    A trial that diverges is noted as failed and the others go on; the next call tries it again.
    Started again after an interruption, the trial that was stopped goes on. Raises a ValueError
    of this project before the first trial when any of them has settings that do not fit.
    """
    base = load_settings(RunSettings, place.config, place.overrides)
    trials = draw_trials(place.sweep, seed=base.seed, count=count)
    settings = [place.trial_settings(trial) for trial in trials]
    if len({each.loop.mixed_precision for each in settings}) > 1:
        raise SweepError("loop.mixed_precision: all trials of one process need the same")
    for each in settings:
        RunFolder.of(each).check_claim(each)
    place.claim()
    states: dict[str, State] = {}
    for number, (trial, each) in enumerate(zip(trials, settings, strict=True)):
        logger.info("%s of %d: %s", trial.name, len(trials), " ".join(trial.overrides()))
        states[trial.name] = _run_trial(each, train)
        rows = tabulate_trials(place, trials, states)
        if states[trial.name] == "stopped":
            return SweepResult(place, rows, interrupted=number < len(trials))
    rows = tabulate_trials(place, trials, states)
    draw_sweep(rows, place.sweep, place.figure)
    return SweepResult(place, rows, interrupted=False)


def tabulate_trials(
    place: SweepPlace, trials: Sequence[Trial], states: dict[str, State]
) -> pd.DataFrame:
    """Write and return `trials.csv`: the finished trials from the best on, then the others."""
    metric = place.sweep.metric
    rows = []
    for trial in trials:
        folder = RunFolder(place.folder / trial.name)
        is_done = folder.card.is_file()
        best = find_best(MetricsLog(folder.metrics).rows()) if is_done else None
        row = {
            "trial": trial.name,
            "state": states.get(trial.name, "finished" if is_done else "waiting"),
            "best_step": None if best is None else best["step"],
            metric.name: _objective(best, metric.key),
        }
        rows.append(row | dict(trial.values))
    table = pd.DataFrame(rows).astype({"best_step": "Int64", metric.name: "float64"})
    table = table.sort_values(
        metric.name,
        ascending=metric.goal == "minimize",
        kind="stable",
        na_position="last",
        ignore_index=True,
    )
    with write_atomically(place.table) as temporary:
        table.to_csv(temporary, index=False)
    return table


def describe_sweep(result: SweepResult) -> list[str]:
    """Say in lines of text what a sweep came to."""
    shown = result.trials.head(20).to_string(index=False, na_rep="–")
    lines = [*shown.splitlines(), f"{result.place.table}: {len(result.trials)} trials"]
    best = result.best()
    if best is not None:
        lines.append(f"best: {result.place.folder / best['trial'] / 'settings.yaml'}")
    if result.interrupted:
        lines.append("interrupted; the same command goes on")
    return lines


def _run_trial(settings: RunSettings, train: Train) -> State:
    if RunFolder.of(settings).card.is_file():
        return "finished"
    try:
        result = train(settings)
    except TrainingError as error:
        logger.warning("%s failed: %s", settings.name, error)
        return "failed"
    return "stopped" if result.evaluation is None else "finished"


def _objective(best: object, key: str) -> float | None:
    if not isinstance(best, dict):
        return None
    if key not in best:
        known = ", ".join(sorted(set(best) - {"kind", "step"}))
        raise SweepError(f"metric: validate/{key} is not measured; known are {known}")
    return best[key] if best[key] is None else float(best[key])
