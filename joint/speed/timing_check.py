"""The step timing held against loaders and models of known cost: it must find what they are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from joint.batch_stream import ReadAhead
from joint.speed.step_timing import StepTimes, Training, time_training

LARGEST_ERROR = 0.05
STEP_SECONDS = 0.02
LOAD_SECONDS = (0.008, 0.02, 0.04)
"""A loader faster than the model, as fast, and slower."""


@dataclass(frozen=True)
class KnownCost:
    """A loader and a model that take so long, in seconds, and don't disturb each other."""

    step: float
    load: float

    @property
    def ratio_to_limit(self) -> float:
        """Read ahead, a step takes as long as the slower of the two."""
        return self.step / max(self.step, self.load)

    @property
    def hidden_share(self) -> float:
        """What of the reading happens during the step before."""
        return min(1.0, self.step / self.load)


def check_timing(*, steps: int = 24) -> list[tuple[KnownCost, StepTimes]]:
    """Time sleeps of known length on this machine, which takes a few seconds."""
    return [(cost, _time_sleeps(cost, steps)) for cost in _costs()]


def is_right(cost: KnownCost, times: StepTimes) -> bool:
    """Say whether both shares lie within `LARGEST_ERROR` of what follows from the costs."""
    errors = (
        times.ratio_to_limit - cost.ratio_to_limit,
        times.hidden_share - cost.hidden_share,
    )
    return max(map(abs, errors)) <= LARGEST_ERROR


def _costs() -> list[KnownCost]:
    return [KnownCost(STEP_SECONDS, load) for load in LOAD_SECONDS]


def _time_sleeps(cost: KnownCost, steps: int) -> StepTimes:
    def load() -> None:
        time.sleep(cost.load)

    with ReadAhead(load) as reader:
        training: Training[None, None] = Training(
            read=load,
            reader=reader,
            copy=lambda nothing: nothing,
            step=lambda _: time.sleep(cost.step),
            finish=lambda: None,
            clock=time.perf_counter,
        )
        return time_training(training, steps=steps, kept=8)
