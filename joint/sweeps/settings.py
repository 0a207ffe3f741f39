"""Sweeps in W&B's own YAML form, drawn here as W&B would: a grid in order, or random values.

The form: https://docs.wandb.ai/guides/sweeps/define-sweep-configuration. What Kerley does not
take (early_terminate, program, command, other distributions) is refused and not passed over.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, JsonValue, model_validator

from configs.files import hash_json
from configs.settings import Settings

PREFIX = "validate/"


class SweepError(ValueError):
    """A sweep that cannot be run; the message names the key and what was expected."""


class SweepMetric(Settings):
    """What is compared between trials: a number of `metrics.jsonl` at the best validation step."""

    name: str = "validate/score"
    goal: Literal["maximize", "minimize"] = "maximize"

    @model_validator(mode="after")
    def _check_name(self) -> SweepMetric:
        if not self.name.startswith(PREFIX):
            raise ValueError(
                f"expected {PREFIX}…; the test set is not there to choose by, nor the training set"
            )
        return self

    @property
    def key(self) -> str:
        """Its name in a row of the record."""
        return self.name.removeprefix(PREFIX)


class SweepParameter(Settings):
    """One setting: a `value`, some `values`, a range `min`–`max`, or further `parameters`.

    A range of two whole numbers has whole values in it, both ends included; log_uniform_values
    is even over the logarithm.
    """

    value: JsonValue = None
    values: tuple[JsonValue, ...] = ()
    min: int | float | None = None
    max: int | float | None = None
    distribution: (
        Literal["constant", "categorical", "uniform", "int_uniform", "log_uniform_values"] | None
    ) = None
    parameters: dict[str, SweepParameter] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_form(self) -> SweepParameter:
        given = {
            "value": self.value is not None,
            "values": bool(self.values),
            "min and max": self.min is not None and self.max is not None,
            "parameters": bool(self.parameters),
        }
        if sum(given.values()) != 1:
            raise ValueError(f"expected exactly one of {', '.join(given)}")
        fitting = {"value": ("constant",), "values": ("categorical",)}
        form = next(name for name, is_given in given.items() if is_given)
        ranges = ("uniform", "int_uniform", "log_uniform_values")
        if self.distribution is not None and self.distribution not in fitting.get(form, ranges):
            raise ValueError(f"distribution {self.distribution} does not go with {form}")
        if form == "min and max":
            self._check_range()
        return self

    def _check_range(self) -> None:
        if self.min is None or self.max is None or not self.min <= self.max:
            raise ValueError(f"expected min ≤ max, found {self.min} and {self.max}")
        if self.distribution == "log_uniform_values" and self.min <= 0:
            raise ValueError("log_uniform_values needs a min above 0")
        if self.distribution == "int_uniform" and not self.is_whole:
            raise ValueError("int_uniform needs whole numbers")

    @property
    def is_whole(self) -> bool:
        """Whether its range is one of whole numbers."""
        ends_are_whole = isinstance(self.min, int) and isinstance(self.max, int)
        return ends_are_whole and self.distribution in (None, "int_uniform")

    def choices(self) -> tuple[JsonValue, ...] | None:
        """Give all values in order, or None for a range that has no end of them."""
        if self.min is not None and self.max is not None:
            return tuple(range(int(self.min), int(self.max) + 1)) if self.is_whole else None
        return self.values or (self.value,)

    def draw(self, generator: np.random.Generator) -> JsonValue:
        """Draw one value."""
        choices = self.choices()
        if choices is not None:
            return choices[int(generator.integers(len(choices)))]
        low, high = float(self.min or 0), float(self.max or 0)
        if self.distribution == "log_uniform_values":
            return float(math.exp(generator.uniform(math.log(low), math.log(high))))
        return float(generator.uniform(low, high))


class SweepSettings(Settings):
    """A sweep; parameters are settings of a run (`optimizer.learning_rate`), dotted or nested."""

    method: Literal["grid", "random", "bayes"]
    parameters: dict[str, SweepParameter] = Field(min_length=1)
    metric: SweepMetric = SweepMetric()
    name: str = ""
    description: str = ""
    run_cap: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _check_grid(self) -> SweepSettings:
        if self.method == "grid":
            endless = [name for name, p in self.flat().items() if p.choices() is None]
            if endless:
                raise ValueError(f"a grid needs values, not a range: {', '.join(endless)}")
        return self

    def flat(self) -> dict[str, SweepParameter]:
        """Give the parameters by their dotted keys, in the order of the file."""
        return dict(_flatten(self.parameters, ""))

    @property
    def content_hash(self) -> str:
        """Name what is tried; how many trials may be changed."""
        values = self.model_dump(mode="json", exclude={"name", "description", "run_cap"})
        return hash_json({**values, "order": list(self.flat())})


class Trial(NamedTuple):
    """One trial of a sweep, counted from 1, with its values by dotted key."""

    number: int
    values: Mapping[str, JsonValue]

    @property
    def name(self) -> str:
        """The name of its run folder."""
        return f"trial-{self.number:03d}"

    def overrides(self) -> list[str]:
        """Give its values as `key=value` for `load_settings`, which reads YAML, so JSON too."""
        return [f"{key}={json.dumps(value)}" for key, value in self.values.items()]


def draw_trials(sweep: SweepSettings, *, seed: int, count: int | None = None) -> list[Trial]:
    """Give the trials of a sweep: the same for the same seed, and the first of them for a
    smaller count.

    Raises SweepError for random values without a count, and for `bayes`, which needs a server.
    """
    parameters, count = sweep.flat(), count or sweep.run_cap
    if sweep.method == "bayes":
        raise SweepError(
            "method: bayes needs a W&B server (tracking.wandb=online); grid and random need none"
        )
    if sweep.method == "grid":
        points = itertools.product(*(p.choices() or () for p in parameters.values()))
        drawn: list[dict[str, Any]] = [
            dict(zip(parameters, point, strict=True)) for point in itertools.islice(points, count)
        ]
    elif count is None:
        raise SweepError("method: random has no end; say how many with --count or run_cap")
    else:
        drawn = []
        for number in range(count):
            generator = np.random.default_rng([seed, number])
            drawn.append({name: p.draw(generator) for name, p in parameters.items()})
    return [Trial(number, values) for number, values in enumerate(drawn, start=1)]


def _flatten(
    parameters: Mapping[str, SweepParameter], above: str
) -> Iterator[tuple[str, SweepParameter]]:
    for name, parameter in parameters.items():
        if parameter.parameters:
            yield from _flatten(parameter.parameters, f"{above}{name}.")
        else:
            yield f"{above}{name}", parameter
