"""How much of the time of a step is the model's: real steps beside the same steps replayed.

A loader that is faster than the model may still slow it down, by taking processor time from it,
and the wait for the next batch doesn't show that. So the same batches are stepped through twice,
once as they are read and once from memory (as NVIDIA's DALI compares its log and replay modes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import numpy as np

Host = TypeVar("Host")
Device = TypeVar("Device")
Host_co = TypeVar("Host_co", covariant=True)

UNCOUNTED = 3
"""Steps before the first turn: they compile, choose kernels and take memory."""


class Reader(Protocol[Host_co]):
    """Reads batches ahead, as `joint.batch_stream.ReadAhead` does."""

    @property
    def is_reading(self) -> bool:
        """Say whether a batch that was asked for is not there yet."""

    def begin(self) -> None:
        """Begin to read one more batch."""

    def take(self) -> Host_co:
        """Wait for the oldest batch that was asked for."""


@dataclass(frozen=True)
class Training(Generic[Host, Device]):
    """What is timed. read: the next batch, here and now. reader: the same, ahead, by `read`.

    copy: a batch to the device. step: one whole optimizer step. finish: wait until the device
    has done what it was given. clock: seconds.
    """

    read: Callable[[], Host]
    reader: Reader[Host]
    copy: Callable[[Host], Device]
    step: Callable[[Device], object]
    finish: Callable[[], object]
    clock: Callable[[], float]


@dataclass
class StepTimes:
    """Seconds of each step and batch, and what follows from their medians.

    real (S): steps as in training. replayed (C): the same batches from memory. beside_loader
    (C′): the same while batches are read and thrown away. load (L): reading a batch, without a
    model. copy: bringing it to the device.
    """

    real: list[float] = field(default_factory=list)
    replayed: list[float] = field(default_factory=list)
    beside_loader: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        """Give the median seconds of each."""
        return {name: float(np.median(values)) for name, values in vars(self).items()}

    @property
    def exposed(self) -> float:
        """S − C: what reading and copying add to a step, in seconds; below 0 by chance alone."""
        medians = self.medians()
        return medians["real"] - medians["replayed"]

    @property
    def exposed_error(self) -> float:
        """How far chance may have moved S − C, in seconds: 1.57 · IQR / √n of the paired steps.

        The notch of a box plot (McGill, Tukey and Larsen 1978): a 95 % interval of a median.
        """
        differences = np.subtract(self.real, self.replayed)
        low, high = np.percentile(differences, [25, 75])
        return float(1.57 * (high - low) / np.sqrt(len(differences)))

    @property
    def ratio_to_limit(self) -> float:
        """C / S: 1 where training goes as fast as without any reading."""
        medians = self.medians()
        return medians["replayed"] / medians["real"]

    @property
    def hidden_share(self) -> float:
        """1 − (S − C) / (L + copy), within [0, 1]: the part of reading that costs nothing."""
        medians = self.medians()
        reading = medians["load"] + medians["copy"]
        return float(np.clip(1 - self.exposed / reading, 0, 1)) if reading > 0 else 1.0

    @property
    def overlap_efficiency(self) -> float:
        """max(C, L) / S: 1 where no way of reading ahead could do better."""
        medians = self.medians()
        return max(medians["replayed"], medians["load"]) / medians["real"]

    @property
    def contention(self) -> float:
        """C′ − C: what a step loses to the loader's use of the same processor, in seconds."""
        medians = self.medians()
        return medians["beside_loader"] - medians["replayed"]

    @property
    def straggler_index(self) -> float:
        """95th percentile by median of real steps."""
        return float(np.percentile(self.real, 95) / np.median(self.real))

    def summary(self) -> dict[str, float]:
        """Give all of the above; times in seconds."""
        shares = ("ratio_to_limit", "hidden_share", "overlap_efficiency", "straggler_index")
        derived = ("exposed", "exposed_error", "contention", *shares)
        return self.medians() | {name: getattr(self, name) for name in derived}


def time_training(
    training: Training[Host, Device],
    *,
    steps: int,
    kept: int,
    done: Callable[[int], object] = lambda steps: None,
) -> StepTimes:
    """Time at least `steps` steps of each kind, in turns of `kept` batches.

    The turns (real, replayed, replayed beside the loader, loader alone) follow each other, so
    that a machine busy with other work is as busy for all of them: the shorter the turns, the
    more so. The device is waited for at the end of each turn alone, within its time. done: told
    after each round how many steps of each kind have been timed.
    """
    times = StepTimes()
    training.reader.begin()
    host = training.reader.take()
    host, _, _ = _take_real_steps(training, host, UNCOUNTED)
    while len(times.real) < steps:
        host, batches, spent = _take_real_steps(training, host, kept)
        times.real += spent
        times.replayed += _replay(training, batches)
        times.beside_loader += _replay_beside_loader(training, batches)
        for _ in range(kept):
            load, copy = _time_loader(training)
            times.load.append(load)
            times.copy.append(copy)
        done(len(times.real))
    return times


def _take_real_steps(
    training: Training[Host, Device], host: Host, count: int
) -> tuple[Host, list[Device], list[float]]:
    """Step through `count` batches, of which `host` is read already; give the next one read."""
    reader, batches, marks = training.reader, [], [training.clock()]
    for _ in range(count):
        reader.begin()
        batch = training.copy(host)
        training.step(batch)
        batches.append(batch)
        host = reader.take()
        marks.append(training.clock())
    return host, batches, _steps_between(training, marks)


def _replay(training: Training[Host, Device], batches: Sequence[Device]) -> list[float]:
    marks = [training.clock()]
    for batch in batches:
        training.step(batch)
        marks.append(training.clock())
    return _steps_between(training, marks)


def _replay_beside_loader(
    training: Training[Host, Device], batches: Sequence[Device]
) -> list[float]:
    reader, asked, marks = training.reader, 0, [training.clock()]
    for batch in batches:
        # Never waited for: a loader slower than the model takes every moment of these steps.
        if not reader.is_reading:
            reader.begin()
            asked += 1
        training.step(batch)
        marks.append(training.clock())
    spent = _steps_between(training, marks)
    for _ in range(asked):
        reader.take()
    return spent


def _time_loader(training: Training[Host, Device]) -> tuple[float, float]:
    start = training.clock()
    host = training.read()
    read = training.clock()
    training.copy(host)
    training.finish()
    return read - start, training.clock() - read


def _steps_between(training: Training[Host, Device], marks: list[float]) -> list[float]:
    """Give the seconds of each step of a turn, the last one's until the device is done."""
    training.finish()
    marks[-1] = training.clock()
    return [after - before for before, after in pairwise(marks)]
