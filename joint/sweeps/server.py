"""A sweep that a W&B server leads: it says which values come next, its agent starts the trials."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.files import write_text
from configs.settings import load_settings
from joint.run_settings import RunSettings
from joint.sweeps.settings import SweepError
from joint.sweeps.sweep import SweepPlace
from joint.tracking.wandb_run import make_environment

logger = logging.getLogger(__name__)

TRIAL_VARIABLE = "KERLEY_TRIAL"
"""Tells a trial its run: not in the command, which W&B stores with the sweep."""

COMMAND = ("${env}", "${interpreter}", "-m", "joint.sweeps.trial", "${args_no_hyphens}")


def is_led_by_server(place: SweepPlace, count: int | None) -> bool:
    """Work as an agent of a server where tracking is online; say whether one was there.

    Without one a grid or random sweep is left to `run_sweep`; `bayes` raises SweepError.
    """
    if load_settings(RunSettings, place.config, place.overrides).tracking.wandb != "online":
        return False
    try:
        code = run_on_server(place, count=count)
    except SweepError as error:
        if place.sweep.method == "bayes":
            raise
        logger.warning("%s; the sweep runs here without one", error)
        return False
    if code:
        raise SweepError(f"{place.folder}: the W&B agent ended with code {code}")
    return True


def run_on_server(
    place: SweepPlace,
    *,
    count: int | None = None,
    register: Callable[[Mapping[str, Any], str], str] | None = None,
    agent: Callable[[Sequence[str], Mapping[str, str]], int] | None = None,
) -> int:
    """Register a sweep, or go on with it, and work as an agent of it; return the agent's code.

    More agents can work on other machines: `wandb agent ID` with the same KERLEY_TRIAL. register,
    agent: what talks to the server. Raises SweepError when no server takes the sweep.
    """
    settings = load_settings(RunSettings, place.config, place.overrides)
    place.claim()
    file = place.folder / "sweep_id"
    if not file.is_file():
        form = server_form(place)
        write_text(file, (register or _register)(form, settings.tracking.project))
    sweep_id = file.read_text(encoding="utf-8").strip()
    asked = [sys.executable, "-m", "wandb", "agent", "--project", settings.tracking.project]
    cap = count or place.sweep.run_cap
    asked += ["--count", str(cap)] if cap else []
    return (agent or _work)([*asked, sweep_id], trial_environment(place))


def server_form(place: SweepPlace) -> dict[str, Any]:
    """Give the sweep as the server gets it: the file's parameters, and our own command.

    The metric is what a run's summary calls it: `best/score`, its value at the best step.
    """
    sweep = place.sweep
    values = sweep.model_dump(mode="json", exclude_unset=True, exclude={"name", "description"})
    values["parameters"] = {
        name: parameter.model_dump(mode="json", exclude_unset=True)
        for name, parameter in sweep.flat().items()
    }
    metric = {"name": f"best/{sweep.metric.key}", "goal": sweep.metric.goal}
    return values | {"metric": metric, "command": list(COMMAND)}


def trial_environment(place: SweepPlace) -> dict[str, str]:
    """Give the environment of the agent and, through it, of its trials."""
    run = {
        "config": str(place.config),
        "overrides": list(place.overrides),
        "out": str(place.folder),
        "group": place.group,
    }
    home = place.folder.resolve()
    here = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    own = {"PATH": here, "WANDB_DIR": str(home), TRIAL_VARIABLE: json.dumps(run)}
    return {**os.environ, **make_environment(home), **own}


def trial_arguments(values: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Give the command line of `joint.train` for a trial that an agent started.

    values: `key=value` as the agent writes them. Raises SweepError outside of an agent.
    """
    told, run_id = environment.get(TRIAL_VARIABLE), environment.get("WANDB_RUN_ID")
    if told is None or run_id is None:
        raise SweepError("joint.sweeps.trial is started by kerley train --sweep, not by hand")
    run = json.loads(told)
    own = [f"name=trial-{run_id}", f"out={run['out']}", f"tracking.group={run['group']}"]
    return [run["config"], *run["overrides"], *values, *own]


def _register(form: Mapping[str, Any], project: str) -> str:
    import wandb

    try:
        return str(wandb.sweep(dict(form), project=project))
    except wandb.Error as error:
        raise SweepError(f"no W&B server took the sweep: {type(error).__name__}") from error


def _work(command: Sequence[str], environment: Mapping[str, str]) -> int:
    # The agent gets Ctrl-C with us and stops its trial, which saves a checkpoint.
    return subprocess.run(command, env=dict(environment), check=False).returncode  # noqa: S603
