"""Counting and looking up stored values equals NumPy's own indexing, for every type and range."""

from __future__ import annotations

import numpy as np
import pytest

from vision.stored_places import StoredPlaces


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("shape", [(1, 1), (64, 5), (200, 33)])
def test_places_are_those_of_plain_indexing(kind: type, share: float, shape: tuple) -> None:
    limits = np.iinfo(kind)
    low, high = int(limits.min * share), int(limits.max * share)
    stored = np.random.default_rng(0).integers(low, high + 1, shape).astype(kind)
    stored.flat[[0, -1]] = low, high
    places = StoredPlaces(stored)
    offset = stored.astype(np.int64) - int(stored.min())
    assert (places.values[0], places.values[-1]) == (stored.min(), stored.max())
    assert np.array_equal(places.count(), np.bincount(offset.ravel()))
    table = np.linspace(0.0, 1.0, len(places.values))
    assert np.array_equal(places.look_up(table), table.astype(np.float32)[offset])
