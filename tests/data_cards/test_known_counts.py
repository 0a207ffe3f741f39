from __future__ import annotations

import pytest

from data_cards.known_counts import report_counts

KNOWN = {"images": 1000, "train": 900, "test": 100}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"images": 1000, "train": 900, "test": 100}, ()),
        ({"images": 1001, "train": 901}, ("1,001 images, and 1,000", "901 train, and 900")),
        ({"images": 800, "test": 0}, ("800 images, and 1,000", "0 test, and 100")),
        ({"images": 799, "train": 1}, ()),
        ({"train": 1}, ()),
    ],
)
def test_differences_of_the_full_set_are_warned_of(caplog, found, said):
    words = tuple(f"Made: {part} are published" for part in said)
    assert report_counts("Made", found, KNOWN) == words
    assert tuple(caplog.messages) == words
