"""The analysis of labelers as tables, files and a page."""

import csv
import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from data_cards.findings import CHEXPERT_OBSERVATIONS
from text_labeler.analysis_files import read_patients, write_analysis
from text_labeler.analysis_page import make_analysis_page, write_analysis_page
from text_labeler.analysis_report import render_analysis
from text_labeler.label_matrix import LabelMatrix
from text_labeler.label_model import LabelModelSettings, fit_label_model
from text_labeler.labeler_analysis import AnalysisError, analyse_labelers

COLUMNS = (*CHEXPERT_OBSERVATIONS, "edema_severity")
NAMES = ("our rules", "a labeler with <b>markup</b> and a long name", "regex", "csv", "llm")


@pytest.fixture(scope="module")
def analysis():
    """Five labelers on all findings; the regex on severity only; 60 of 900 studies read."""
    rng = np.random.default_rng(0)
    studies = 900
    votes = np.full((len(COLUMNS), studies, len(NAMES)), -1, dtype=np.int8)
    reads = np.full((len(COLUMNS), studies), -1, dtype=np.int8)
    fits = {}
    for index, column in enumerate(COLUMNS):
        classes = 4 if column == "edema_severity" else 2
        truth = rng.integers(0, classes, studies)
        right = rng.random((studies, len(NAMES))) < 0.8
        right[:, 4] = np.where(rng.random(studies) < 0.4, right[:, 0], right[:, 4])
        wrong = (truth[:, None] + rng.integers(1, classes, right.shape)) % classes
        votes[index] = np.where(right, truth[:, None], wrong)
        if classes == 2:
            votes[index, :, 2] = -1
            votes[index, :9, 0] = -2
        reads[index, :60] = truth[:60]
        fits[column] = fit_label_model(votes[index], LabelModelSettings(classes, restarts=1))
    matrix = LabelMatrix(tuple(map(str, range(studies))), NAMES, COLUMNS, votes)
    return analyse_labelers(matrix, fits, audited=reads)


def printed(analysis):
    console = Console(width=100, file=io.StringIO())
    for part in render_analysis(analysis):
        console.print(part)
    return console.file.getvalue()


def test_the_tables_fit_a_terminal_and_leave_silent_labelers_out(analysis):
    lines = printed(analysis).splitlines()
    assert max(map(len, lines)) <= 100
    cut = [line for line in lines if "…" in line]
    assert cut
    assert all(line.index("…") == 23 for line in cut)  # names are cut, no number is
    assert sum(line.startswith(" 1 our rules") for line in lines) == 2 * len(COLUMNS)
    assert sum(line.startswith(" 3 regex") for line in lines) == 2  # severity: votes, accuracy


def test_the_tables_name_pairs_that_agree_too_often(analysis):
    text = printed(analysis)
    flagged = [
        pair for pair in analysis.dependent if (pair.first, pair.second) == (NAMES[0], "llm")
    ]
    assert flagged
    assert "1 our rules and 5 llm: " in text
    assert all(
        f"{pair.column} ({pair.agreement:.3f}, expected" in text.replace("\n", " ")
        for pair in flagged[:1]
    )
    assert "--same-rules" in text


def test_columns_with_nothing_to_compare_are_only_named():
    votes = np.array([[[1, -1], [0, -1]], [[1, 1], [0, 0]]], dtype=np.int8)
    matrix = LabelMatrix(("a", "b"), ("rules", "regex"), ("Hernia", "Edema"), votes)
    text = printed(analyse_labelers(matrix, {}))
    assert "Only one labeler speaks of Hernia." in text
    assert text.count("Hernia") == 1
    reads = np.array([[1, -1], [1, -1]], dtype=np.int8)
    assert "\nHernia" in printed(analyse_labelers(matrix, {}, audited=reads))


def test_pairs_that_share_no_study_have_no_column():
    votes = np.array([[[1, 1, -1], [0, -1, 0]]], dtype=np.int8)
    matrix = LabelMatrix(("a", "b"), ("rules", "regex", "csv"), ("Edema",), votes)
    text = printed(analyse_labelers(matrix, {}))
    heading = next(line for line in text.splitlines() if "1·2" in line)
    assert heading.split() == ["1·2", "1·3"]
    page = make_analysis_page(analyse_labelers(matrix, {}))
    assert "2 · 3</th>" not in page
    assert page.count("κ") == 2


def test_names_are_shown_as_they_are_whatever_they_mean_to_rich():
    votes = np.array([[[1, 1], [0, 0]]], dtype=np.int8)
    matrix = LabelMatrix(("a", "b"), ("[/x]", "[bold]y"), ("[/z]",), votes)
    text = printed(analyse_labelers(matrix, {}))
    for name in (" 1 [/x] ", " 2 [bold]y ", "[/z]"):
        assert text.count(name) >= 1, name


def test_one_labeler_without_reads_or_model_prints_its_votes_only():
    votes = np.array([[[1], [0], [-1]]], dtype=np.int8)
    matrix = LabelMatrix(("a", "b", "c"), ("rules",), ("Edema",), votes)
    text = printed(analyse_labelers(matrix, {}))
    assert "0.667" in text
    assert "model" not in text
    assert "Agreement" not in text


def test_json_holds_every_row_and_null_for_what_is_not_defined(analysis, tmp_path):
    (path,) = write_analysis(tmp_path / "analysis.json", analysis)
    read = json.loads(path.read_text())
    assert len(read["rows"]) == len(COLUMNS) * len(NAMES)
    assert len(read["pairs"]) == len(COLUMNS) * 10
    silent = read["rows"][2]
    assert (silent["labeler"], silent["coverage"]) == ("regex", 0)
    assert silent["empirical_accuracy"] == {"value": None, "lower": None, "upper": None}


def test_csv_holds_every_row_with_intervals_in_columns_of_their_own(analysis, tmp_path):
    rows, pairs = write_analysis(tmp_path / "analysis.csv", analysis)
    with rows.open(newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(analysis.rows)
    for written, row in zip(read, analysis.rows, strict=True):
        assert written["labeler"] == row.labeler
        assert written["votes_1"] == str(row.votes[1])
        known = row.empirical_accuracy
        if math.isnan(known.value):
            assert written["empirical_accuracy"] == written["empirical_accuracy_lower"] == ""
        else:
            assert float(written["empirical_accuracy_upper"]) == known.upper
    with pairs.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(analysis.pairs)


def test_patients_are_those_of_the_audited_reads(tmp_path):
    path = tmp_path / "reads.csv"
    path.write_text("subject_id,study_id,Edema\n7,1,1\n7,2,0\n,3,0\n")
    assert read_patients(path, ["2", "1", "3", "4"]) == ["7", "7", "3", "4"]
    path.write_text("study_id,Edema\n1,1\n")
    assert read_patients(path, ["1"]) is None


def test_another_ending_is_refused(analysis, tmp_path):
    with pytest.raises(AnalysisError, match=r"expected a file that ends in \.json or \.csv"):
        write_analysis(tmp_path / "analysis.xlsx", analysis)


def test_the_page_asks_for_nothing_and_escapes_names(analysis):
    page = make_analysis_page(analysis)
    assert "<b>markup</b>" not in page
    assert "&lt;b&gt;markup&lt;/b&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<svg viewBox") == 2 + len(NAMES)


def test_a_heading_sorts_its_table_and_puts_what_is_not_known_last(
    analysis, browser_page, tmp_path
):
    path = tmp_path / "page.html"
    write_analysis_page(path, analysis)
    browser_page.goto(path.as_uri())
    table = browser_page.locator("table.wide")
    heads = table.locator("thead th").all_text_contents()
    place = heads.index("Measured sensitivity")
    values = {}
    for order in ("ascending", "descending"):
        table.locator("thead th").nth(place).get_by_role("button").click()
        assert table.locator("thead th").nth(place).get_attribute("aria-sort") == order
        cells = table.locator(f"tbody tr td:nth-child({place + 1})")
        given = cells.evaluate_all("cells => cells.map(cell => cell.dataset.value)")
        values[order] = [float(one) for one in given if one]
        assert all(given[: len(values[order])])  # the severity has no sensitivity
        assert len(values[order]) < len(given)
    assert values["ascending"] == sorted(values["ascending"])
    assert values["descending"] == sorted(values["ascending"], reverse=True)


@pytest.mark.parametrize("width", [1280, 640, 360])
def test_the_page_is_never_wider_than_its_window(analysis, browser_page, tmp_path, width):
    path = tmp_path / "page.html"
    write_analysis_page(path, analysis)
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.goto(path.as_uri())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
