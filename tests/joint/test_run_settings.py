"""Settings of a run that make no sense are refused when they are read, by their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.settings import SettingsError, load_settings
from joint.run_settings import RunSettings


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=-1", "override: seed: Input should be greater"),
        (f"seed={2**64}", "override: seed: Input should be less"),
        ("optimizer.betas=[0.9, 1.0]", r"optimizer\.betas\.1: Input should be less than 1"),
    ],
)
def test_what_no_run_can_have_is_one_clear_message(override, message):
    with pytest.raises(SettingsError, match=message):
        load_settings(RunSettings, Path("demo"), [override])
