from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from configs.settings import (
    CONFIG_FOLDER,
    Settings,
    SettingsError,
    find_config,
    load_settings,
    peek_setting,
    save_settings,
)


class NoiseSettings(Settings):
    kind: Literal["noise"]
    rate: float = 0.1


class CleanSettings(Settings):
    kind: Literal["clean"]


class TrainSettings(Settings):
    steps: int
    rate: float = 1e-3
    name: str = "run"
    root: Path = Path("data")
    sizes: tuple[int, ...] = (256,)
    labels: Annotated[NoiseSettings | CleanSettings, Field(discriminator="kind")] = CleanSettings(
        kind="clean"
    )


def load(tmp_path: Path, text: str, *overrides: str) -> TrainSettings:
    file = tmp_path / "train.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(TrainSettings, file, overrides)


def test_a_file_becomes_settings(tmp_path):
    settings = load(tmp_path, "steps: 5\nsizes: [1, 2]\nroot: a/b\nlabels: {kind: noise}\n")
    assert settings == TrainSettings(
        steps=5, sizes=(1, 2), root=Path("a/b"), labels=NoiseSettings(kind="noise")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\n", "train.yaml: steps: Field required"),
        ("name: x\nsteps: many\n", "train.yaml, line 2: steps: Input should be a valid integer"),
        ("steps: 5.5\n", "line 1: steps"),
        ("steps: '5'\n", "line 1: steps"),
        ("steps: 1\nstep: 2\n", "line 2: step: Extra inputs are not permitted (given: 2)"),
        ("steps: 1\nlabels:\n  kind: noise\n  rats: 1\n", "line 4: labels.noise.rats"),
        ("steps: 1\nlabels:\n  kind: loud\n", "line 2: labels"),
        ("steps: 1\nsizes:\n- 1\n- x\n", "line 4: sizes.1"),
        ("steps: 1\nsteps: 2\n", "line 2: steps: named a second time"),
        ("steps: 1\nlabels: {kind: noise, kind: clean}\n", "line 2: kind: named a second time"),
        ("steps: [1\n", "not readable as YAML"),
        ("steps: 2020-13-45\n", "not readable as YAML"),
        ("- 1\n", "expected keys and values, found a list"),
        ("", "steps: Field required"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path, text, expected):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert expected in str(caught.value)
    assert "train.yaml" in str(caught.value)


def test_an_error_shows_a_long_value_shortened(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, f"steps: {'x' * 10_000}\n")
    assert len(str(caught.value)) < 300


def test_every_wrong_key_is_named_at_once(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "steps: x\nrate: y\nother: 1\n")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "steps",
        "rate",
        "other",
    ]


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("steps=7", "steps", 7),
        ("rate=3e-4", "rate", 3e-4),
        ("rate=2", "rate", 2.0),
        ("sizes=[64, 128]", "sizes", (64, 128)),
        ("labels={kind: noise, rate: 0.5}", "labels", NoiseSettings(kind="noise", rate=0.5)),
        ("name=a=b", "name", "a=b"),
        ("root=/data/x", "root", Path("/data/x")),
    ],
)
def test_an_override_wins_over_the_file(tmp_path, override, key, value):
    assert getattr(load(tmp_path, "steps: 5\nname: file\n", override), key) == value


def test_an_override_reaches_inner_keys(tmp_path):
    settings = load(tmp_path, "steps: 1\nlabels: {kind: noise, rate: 0.2}\n", "labels.rate=0.4")
    assert settings.labels == NoiseSettings(kind="noise", rate=0.4)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("steps", "expected an override of the form key.inner=value"),
        ("=1", "expected an override of the form key.inner=value"),
        ("steps.inner=1", "'steps' holds a value, not further keys"),
        ("steps=[1", "the value is not readable as YAML"),
        ("steps=2020-13-45", "the value is not readable as YAML"),
        ("steps=many", "override: steps: Input should be a valid integer"),
        ("labels.rats=1", "override: labels.noise.rats"),
    ],
)
def test_a_wrong_override_is_named_instead_of_a_line_of_the_file(tmp_path, override, expected):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "steps: 5\nlabels: {kind: noise}\n", override)
    assert expected in str(caught.value)
    assert "train.yaml" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-4", 1e-4), ("1.5E3", 1500.0), ("-2e5", -2e5), ("1", 1.0), (".5", 0.5)],
)
def test_numbers_are_read_as_python_writes_them(tmp_path, written, value):
    assert load(tmp_path, f"steps: 1\nrate: {written}\n").rate == value


@pytest.mark.parametrize("name", ["1e-4", "2e3x", "null", "on", "ä: [", "0123", ""])
@pytest.mark.parametrize("rate", [1e-5, 0.1, 1e22])
def test_saved_settings_load_to_an_equal_object(tmp_path, name, rate):
    settings = TrainSettings(
        steps=3, rate=rate, name=name, sizes=(1, 2), labels=NoiseSettings(kind="noise")
    )
    save_settings(settings, tmp_path / "saved.yaml")
    assert load_settings(TrainSettings, tmp_path / "saved.yaml") == settings


def test_saved_settings_are_complete(tmp_path):
    save_settings(TrainSettings(steps=3), tmp_path / "saved.yaml")
    text = (tmp_path / "saved.yaml").read_text(encoding="utf-8")
    assert [line.split(":")[0] for line in text.splitlines() if line[0].isalpha()] == list(
        TrainSettings.model_fields
    )


def test_settings_do_not_change_after_loading(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path, "steps: 5\n").steps = 6


def test_a_missing_file_names_what_is_shipped(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere: no such settings file\. Shipped"):
        load_settings(TrainSettings, tmp_path / "nowhere")


def test_a_shipped_file_is_found_by_its_name():
    for shipped in CONFIG_FOLDER.glob("*.yaml"):
        assert find_config(Path(shipped.stem)) == shipped
        assert find_config(Path(shipped.name)) == shipped


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "binary.yaml"
    file.write_bytes(b"steps: \xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"binary\.yaml: not readable as YAML"):
        load_settings(TrainSettings, file)


def test_one_value_can_be_looked_at_before_the_settings_are_known(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("task: {kind: joint}\nseed: 3\n")
    assert peek_setting(file, (), "task.kind") == "joint"
    assert peek_setting(file, ["task.kind=grading"], "task.kind") == "grading"
    assert peek_setting(file, (), "task.tower.kind") is peek_setting(file, (), "seed.x") is None
