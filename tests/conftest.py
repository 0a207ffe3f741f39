"""Fixtures that tests of every room use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository, or the reason why a test is skipped."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data: the folder ../shared/data is not there")
    return SHARED_DATA
