"""Which units a benchmark is made of: arms by scenarios by seeds, the ones that matter first."""

from __future__ import annotations

from collections.abc import Sequence

from configs.files import hash_json
from configs.settings import Settings
from joint.benchmark.arms import ARMS, OPTIMIZER, founding_task, image_task, joint_task
from joint.benchmark.settings import BenchmarkSettings
from joint.benchmark.unit import Unit

MAIN_ARMS = tuple(name for name in ARMS if name != "anchors")
NOISE_ARMS = ("image-only", "image-only-model", "full")
LABEL_ARMS = ("image-only-model", "full")
READER_ARMS = ("image-only", "founding", "mixed", "full", "anchors")
SHORTCUT_ARMS = ("image-only-model", "full", "shuffled")


class BenchmarkError(ValueError):
    """A benchmark that cannot run as asked; the message says what was expected."""


def plan_units(
    settings: BenchmarkSettings, *, arms: Sequence[str] = (), seeds: Sequence[int]
) -> list[Unit]:
    """List the units in the order in which they are run; `arms` leaves others out.

    Raises BenchmarkError for an arm that is not there, or no seed.
    """
    unknown = [name for name in arms if name not in ARMS]
    if unknown:
        raise BenchmarkError(f"arms {unknown}: expected some of {', '.join(ARMS)}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise BenchmarkError(f"seeds {list(seeds)}: expected at least one, and none twice")
    main, reader = settings.main(), settings.reader()
    few = tuple(seeds)[: settings.curve_seeds]
    planned = [(main, MAIN_ARMS, tuple(seeds))]
    for rate in settings.noise_rates:
        noisy = main.model_copy(update={"noise_rate": rate})
        planned.append((noisy, NOISE_ARMS, tuple(seeds)))
    planned.append((reader, READER_ARMS, tuple(seeds)))
    for count in settings.label_counts:
        planned.append((main.model_copy(update={"labelled": count}), LABEL_ARMS, few))
    planned.append((main.model_copy(update={"shortcut": settings.shortcut}), SHORTCUT_ARMS, few))
    return [
        Unit(arm, scenario, seed)
        for scenario, names, numbers in planned
        for seed in numbers
        for arm in names
        if not arms or arm in arms
    ]


def identify(unit: Unit, settings: BenchmarkSettings) -> str:
    """Name everything that decides a unit's numbers but the code: a result of another is remade."""
    arm, size = ARMS[unit.arm], settings.batch
    if arm.learns == "two-phase":
        tasks: tuple[Settings, ...] = founding_task(size)
    else:
        tasks = (image_task(size) if arm.learns == "images" else joint_task(arm, size),)
    described = [task.model_dump(mode="json") for task in tasks]
    scenario = unit.scenario.model_dump(mode="json")
    return hash_json(
        [settings.identity, scenario, unit.seed, arm.labels, described, OPTIMIZER.model_dump()]
    )
