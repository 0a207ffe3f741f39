"""`kerley cache build` and `kerley cache verify`: what they print and how they end."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kerley import app
from tests.vision.examples import save_xrays
from vision.cache import CacheError, ImageCache


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A working folder with three X-rays, of which one is cut, and a text."""
    monkeypatch.chdir(tmp_path)
    paths = save_xrays(Path("films"), 3)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    Path("films/notes.txt").write_text("no image")
    return paths


def kerley(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("storage", ["raw", "jpeg"])
def test_a_folder_is_built_listed_and_verified(films: list[Path], storage: str) -> None:
    options = ("--size", "64", "--storage", storage, "--skipped", "skipped.csv", "--verify")
    result = kerley("build", "films", "--out", "cache", *options)
    assert result.exit_code == 0
    assert f"cache: 2 images of 64×64, {storage}" in result.stdout
    assert "1 files could not be read" in result.stdout
    assert "cache: sound, 2 images" in result.stdout
    assert "of disk" in result.stderr
    with Path("skipped.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["path"].endswith("xray001.png")
    assert "truncated" in row["reason"]
    assert ImageCache.open(Path("cache")).settings.storage == storage


def test_damage_is_named_and_gives_exit_code_one(films: list[Path]) -> None:
    kerley("build", "films", "--out", "cache", "--size", "64")
    (shard,) = Path("cache").glob("*/shards/*")
    shard.write_bytes(shard.read_bytes()[:-1])
    result = kerley("verify", "cache")
    assert result.exit_code == 1
    assert "1 problems" in result.stdout
    assert "000000.u8: 8191 bytes, expected 8192" in result.stdout


def test_a_changed_source_is_found_on_request(films: list[Path]) -> None:
    kerley("build", "films", "--out", "cache", "--size", "64")
    films[0].write_bytes(films[2].read_bytes())
    assert kerley("verify", "cache").exit_code == 0
    result = kerley("verify", "cache", "--sources")
    assert result.exit_code == 1
    assert "the source has changed" in result.stdout


def test_no_cache_is_an_error(films: list[Path]) -> None:
    with pytest.raises(CacheError, match="no image cache here"):
        kerley("verify", "films")


def test_a_corpus_is_built_by_name(films: list[Path]) -> None:
    result = kerley("build", "image_folder", "--root", ".", "--out", "cache", "--size", "64")
    assert "2 images" in result.stdout
    (parent,) = ImageCache.open(Path("cache")).manifest.parents
    assert (parent.kind, parent.name, parent.path) == ("corpus listing", "image_folder", "..")
