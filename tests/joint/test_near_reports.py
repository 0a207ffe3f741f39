"""Nearly equal reports against a count over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from joint.trust.near_reports import NEAR_SHARE, find_near, list_phrases, share_phrases

WORDS = (
    *("no", "edema", "effusion", "heart", "size", "is", "normal"),
    *("lungs", "are", "clear", "mild", "interstitial", "pleural"),
)


def write_reports(count, *, length=30, seed=0):
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, length)) for _ in range(count)]


def change_words(text, count, generator):
    words = text.split()
    for place in generator.choice(len(words), count, replace=False):
        words[place] = f"other{place}"
    return " ".join(words)


def count_phrases(text):
    words = text.split()
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def slow_near(report, known):
    ours = count_phrases(report)
    return any(
        len(ours & count_phrases(other)) >= NEAR_SHARE * len(ours | count_phrases(other))
        for other in known
    )


@pytest.mark.parametrize("changed", [0, 1, 2, 3, 8])
def test_near_reports_are_those_of_a_count_over_all_pairs(changed):
    generator = np.random.default_rng(changed)
    known = write_reports(60, length=60)
    reports = [change_words(text, changed, generator) for text in known]
    reports += write_reports(20, length=60, seed=1)
    expected = [slow_near(report, known) for report in reports]
    assert find_near(reports, known) == expected
    assert any(expected) == (changed < 4)


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("heart size is normal", "heart size is normal", 1.0),
        ("heart size is normal", "heart size is large", 1 / 3),
        ("no edema", "no edema", 1.0),
        ("no edema", "no effusion", 0.0),
    ],
)
def test_shares_of_phrases(first, second, share):
    assert share_phrases(list_phrases(first), list_phrases(second)) == share


def test_an_empty_report_is_near_another_alone():
    assert find_near([""], ["no edema"]) == [False]
    assert find_near([""], [""]) == [True]
