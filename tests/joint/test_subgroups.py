"""Subgroups, each measured on its own images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from joint.evaluation.subgroups import find_gaps, measure_subgroups, name_age_band
from vision.metrics import MetricsError, severity_metrics

NUMBERS = {"seed": 0, "resamples": 50}


def draw(images=500, *, blind=()):
    """Images of women and men with their views; those whose sex is in `blind` are guessed at."""
    generator = np.random.default_rng(1)
    levels = generator.integers(0, 4, images)
    sex = np.where(np.arange(images) % 2, "F", "M")
    noise = generator.dirichlet(np.ones(4), images)
    p = np.where(np.isin(sex, blind)[:, None], noise, 0.5 * noise + 0.5 * np.eye(4)[levels])
    view = np.where(np.arange(images) < 29, "AP", "PA")
    attributes = pd.DataFrame({"sex": sex, "view": view})
    return p, levels, [f"p{i}" for i in range(images)], attributes


def test_each_group_has_the_metrics_of_its_own_images():
    p, levels, patients, attributes = draw()
    groups = measure_subgroups(p, levels, patients, attributes, **NUMBERS)
    assert [(g.attribute, g.value, g.images) for g in groups] == [
        ("sex", "F", 250),
        ("sex", "M", 250),
        ("view", "AP", 29),
        ("view", "PA", 471),
    ]
    women = (attributes["sex"] == "F").to_numpy()
    expected = severity_metrics(p[women], levels[women])
    for name, interval in groups[0].metrics.items():
        assert interval.value == pytest.approx(expected[name])
        assert interval.n == 250


def test_fewer_than_thirty_images_are_too_few_to_show():
    groups = measure_subgroups(*draw(), **NUMBERS)
    assert [g.value for g in groups if g.is_too_small] == ["AP"]
    assert groups[2].metrics == {}


@pytest.mark.parametrize(("blind", "named"), [((), []), (("M",), [("M", "F")])])
def test_only_gaps_with_intervals_apart_are_named(blind, named):
    groups = measure_subgroups(*draw(blind=blind), **NUMBERS)
    assert [(worse.value, better.value) for worse, better in find_gaps(groups)] == named


@pytest.mark.parametrize(
    ("age", "band"),
    [
        *((0, "under 18"), (17.9, "under 18"), (18, "18–39"), (60, "60–79"), (80, "80 and over")),
        *((None, "not known"), (float("nan"), "not known")),
    ],
)
def test_ages_have_bands(age, band):
    assert name_age_band(age) == band


def test_other_numbers_of_rows_are_refused():
    p, levels, patients, attributes = draw()
    with pytest.raises(MetricsError, match="499 rows of attributes"):
        measure_subgroups(p, levels, patients, attributes[1:], **NUMBERS)
