"""Each policy for −1 against the numbers of its paper; what is not mentioned is never known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from vision.uncertain_labels import UncertainSettings, teach_codes

NAN = math.nan
CODES = np.array([1, 0, -1, -1, NAN], np.float32)
PROBABILITIES = np.array([0.9, NAN, 0.4, NAN, 0.7], np.float32)


def policy(**values: object) -> UncertainSettings:
    return TypeAdapter(UncertainSettings).validate_python(values)


def teach(codes: np.ndarray = CODES, *, seed: int = 0, **values: object):
    probabilities = np.broadcast_to(PROBABILITIES[: len(codes)], codes.shape)
    return teach_codes(codes, probabilities, policy(**values), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("soft", [0.9, 0, 0.4, None, None]),
        ("u_ignore", [1, 0, None, None, None]),
        ("u_zeros", [1, 0, 0, 0, None]),
        ("u_ones", [1, 0, 1, 1, None]),
    ],
)
def test_a_policy_says_what_uncertain_teaches(kind: str, expected: list[float | None]) -> None:
    targets = teach(kind=kind)
    assert targets.known.tolist() == [value is not None for value in expected]
    assert targets.values == pytest.approx([value or 0.0 for value in expected])
    assert targets.values.dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("u_ones_lsr", 0.55, 0.85), ("u_zeros_lsr", 0.0, 0.3)]
)
def test_smoothed_labels_fill_the_range_of_the_paper(kind: str, low: float, high: float) -> None:
    values, known = teach(np.full((4000, 5), -1, np.float32), kind=kind)
    assert known.all()
    assert values.min() == pytest.approx(low, abs=0.001)
    assert values.max() == pytest.approx(high, abs=0.001)
    assert values.mean() == pytest.approx((low + high) / 2, abs=0.005)
    assert teach(kind=kind).values[:2].tolist() == [1, 0]


def test_what_is_drawn_depends_on_seed_and_place_alone() -> None:
    other = np.array([-1, -1, -1, 1, 0], np.float32)
    first, again = teach(kind="u_ones_lsr").values, teach(other, kind="u_ones_lsr").values
    assert first[2] == again[2]
    assert teach(kind="u_ones_lsr", seed=1).values[2] != first[2]


def test_a_range_of_ones_own() -> None:
    assert teach(kind="u_zeros_lsr", low=0.25, high=0.25).values[2] == 0.25


@pytest.mark.parametrize(
    "values",
    [{"kind": "u_mean"}, {"kind": "u_ones_lsr", "low": 0.9}, {"kind": "u_ones", "low": 0.5}],
)
def test_policies_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        policy(**values)
