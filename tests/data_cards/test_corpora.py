from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from data_cards import corpora
from data_cards.corpora import CORPORA, find_corpus, read_source
from data_cards.report_table.reader import ReportColumns
from data_cards.study import CorpusError

CARDS = sorted(Path(corpora.__file__).parent.glob("*/README.md"))
"""CheXmask's too, which is no corpus but masks of others."""
CARD_PARTS = (
    "**The one line to read:**",
    "## Layout that is read",
    "## Who grants access",
    "## What may not leave the machine",
    "## How the labels were made",
    "## What they are not",
    "## Known shortcuts",
)


def test_every_corpus_has_a_card():
    assert {corpus.card for corpus in CORPORA.values()} <= set(CARDS)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_a_card_answers_every_question(card):
    text = card.read_text(encoding="utf-8")
    _, front_matter, body = text.split("---\n", maxsplit=2)
    fields = yaml.safe_load(front_matter)
    assert {"pretty_name", "license", "task_categories", "tags"} <= set(fields)
    assert body.strip().startswith(f"# {fields['pretty_name']}\n")
    places = [body.index(part) for part in CARD_PARTS]
    assert places == sorted(places)
    ends = [*places[1:], len(body)]
    for part, start, end in zip(CARD_PARTS, places, ends, strict=True):
        assert len(body[start + len(part) : end].split()) > 10, f"{part} says nothing"


def test_the_page_on_corpora_has_each_of_them():
    page = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page.split("## Labels")[0], re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(CORPORA)


@pytest.mark.parametrize("name", CORPORA)
def test_a_missing_root_is_named(tmp_path, name):
    with pytest.raises(CorpusError, match=f"nowhere: the root of corpus '{name}' is not a f"):
        find_corpus(name).read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["openi", "covid_chestxray", "image_folder", "mimic_cxr"])
def test_an_empty_root_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises(CorpusError, match=str(tmp_path)):
        find_corpus(name).read(tmp_path)


def test_an_unknown_corpus_names_the_known_ones():
    with pytest.raises(CorpusError, match=r"'mimic': no such corpus\. Known: phantom, "):
        find_corpus("mimic")


def test_a_source_is_a_corpus_or_a_table(tmp_path):
    (tmp_path / "a.png").write_bytes(b"image")
    assert read_source("image_folder", tmp_path).corpus == "image_folder"
    (tmp_path / "r.csv").write_text("study_id,report\n1,Clear.\n")
    assert read_source(str(tmp_path / "r.csv")).corpus == "report_table"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("openi", r"corpus 'openi': needs the folder that holds it \(--root DIR\)"),
        ("mimic", "'mimic': neither a corpus .* nor a table of reports"),
        ("nowhere.csv", "nowhere.csv: no such file"),
    ],
)
def test_a_source_that_is_neither_is_refused(source, expected):
    with pytest.raises(CorpusError, match=expected):
        read_source(source)


def test_columns_are_for_tables_only(tmp_path):
    (tmp_path / "a.txt").write_text("Clear.")
    with pytest.raises(CorpusError, match="has no columns that could be named"):
        read_source(str(tmp_path), columns=ReportColumns(report="text"))
