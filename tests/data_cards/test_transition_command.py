"""`kerley transition`: what it prints, writes, draws, and refuses to write over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from data_cards.label_table import write_label_table
from data_cards.transition import TransitionError, read_transition
from data_cards.transition_estimate import named_transition
from data_cards.transition_figure import write_heat_map
from kerley import app
from tests.data_cards.planted_reads import plant


def test_the_command_estimates_prints_and_writes(tmp_path) -> None:
    labels, consensus = plant(0)
    table, reads, out = (tmp_path / n for n in ("labels.parquet", "reads.csv", "t.json"))
    write_label_table(table, labels.to_dict("records"))
    named = consensus.frame.rename(columns={"severity": "edema_severity", "cluster": "subject_id"})
    named.assign(Edema=1.0).to_csv(reads, index=False)
    done = CliRunner().invoke(app, ["transition", str(table), str(reads), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "140 images of 140 studies (140 patients)" in done.output
    assert "P(report | image)" in done.output
    found = read_transition(out)
    assert found.source.file == "reads.csv"
    assert found.content_hash in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "reads.csv"], "reads.csv: is already a file of this command"),
        (["--figure", "labels.parquet"], "labels.parquet: is already a file of this command"),
        (["--out", "t.svg", "--figure", "t.svg"], "t.svg: is already a file of this command"),
        (["--strength", "inf"], "--strength"),
        (["--strength", "nan"], "--strength"),
    ],
)
def test_the_command_refuses_to_write_over_its_files(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    files = ["labels.parquet", "reads.csv"]
    for name in files:
        Path(name).write_text("kept")
    done = CliRunner().invoke(app, ["transition", *files, *options])
    assert done.exit_code
    assert words in f"{done.output}{done.exception}"
    assert {Path(name).read_text() for name in files} == {"kept"}


def test_the_figure_shows_every_cell_and_is_the_same_twice(tmp_path) -> None:
    found = named_transition("mimic_edema")
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in (first, second):
        write_heat_map(path, found)
    text = first.read_text(encoding="utf-8")
    assert text == second.read_text(encoding="utf-8")
    for cells in (found.grade.report_given_image, found.grade.image_given_report):
        for value in np.ravel(cells.values):
            assert f"{value:.2f}" in text
    with pytest.raises(TransitionError, match=r"one of \.svg, \.png"):
        write_heat_map(tmp_path / "a.gif", found)


def test_the_command_shows_a_named_prior(tmp_path) -> None:
    figure = tmp_path / "prior.png"
    options = ["--prior", "mimic_edema", "--figure", str(figure)]
    done = CliRunner().invoke(app, ["transition", *options])
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert done.exit_code == 0, done.output
    assert "29 9 0 1; 12 15 5 4; 9 11 8 2; 11 9 7 9" in done.output
