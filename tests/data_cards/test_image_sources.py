"""Sources of images: their names, the classes that have their own, and what a check says of it."""

from __future__ import annotations

import json

import pytest

from data_cards.image_sources import find_own_sources, name_source
from data_cards.study import list_studies
from tests.data_cards.test_commands import run  # noqa: F401 - a fixture
from tests.data_cards.test_corpus_report import draw
from tests.data_cards.test_radiography import FOLDER, write_book

BIMCV = "https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/#1590858128006-9e640421-6711"
HANNOVER = "https://github.com/ml-workgroup/covid-19-image-repository/tree/master/png"
RSNA = "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data"
CHILDREN = "https://www.kaggle.com/paultimothymooney/chest-xray-pneumonia"
PUBLISHED = {
    "COVID": [BIMCV] * 14 + [HANNOVER] * 10,
    "Lung_Opacity": [RSNA] * 24,
    "Normal": [RSNA] * 20 + [CHILDREN] * 4,
    "Viral Pneumonia": [CHILDREN] * 24,
}
"""A sample in the proportions of the COVID-19 Radiography Database."""


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (BIMCV, "bimcv.cipf.es"),
        (HANNOVER, "github.com/ml-workgroup/covid-19-image-repository"),
        (RSNA, "kaggle.com/c/rsna-pneumonia-detection-challenge"),
        ("kaggle.com/datasets/Some/Set?x=1", "kaggle.com/some/set"),
        ("https://www.eurorad.org/case/16660", "eurorad.org"),
        ("http://reader:word@Radiopaedia.org:80/cases/1", "radiopaedia.org"),
        ("  Own \n Archive ", "own archive"),
        ("http://[broken", "http://[broken"),
        (" ", None),
    ],
)
def test_a_source_is_named_by_its_collection_not_by_its_case(said, name):
    assert name_source(said) == name


@pytest.mark.parametrize(
    ("pairs", "own"),
    [
        ({"a": {"x": 30, "y": 30}, "b": {"z": 30}}, {"a": ("x", "y"), "b": ("z",)}),
        ({"a": {"x": 30, "y": 40}, "b": {"y": 40, "z": 30}}, {}),
        # A large class has most of each source, and is not told by them.
        ({"a": {"x": 500, "y": 500}, "b": {"x": 10, "y": 10}}, {}),
        ({"a": {str(n): 1 for n in range(40)}, "b": {f"b{n}": 1 for n in range(40)}}, {}),
        ({"a": {"x": 97, "y": 3}, "b": {"y": 100}}, {"a": ("x",), "b": ("y",)}),
        ({"a": {"x": 30}, "b": {None: 30}}, {}),
        ({"a": {"x": 30}, None: {"y": 30}}, {}),
    ],
)
def test_a_class_is_given_away_by_sources_that_hardly_another_has(pairs, own):
    each = [
        (name, source) for name, of in pairs.items() for source, n in of.items() for _ in range(n)
    ]
    assert find_own_sources([name for name, _ in each], [source for _, source in each]) == own


def test_the_check_of_the_radiography_database_names_its_sources(run, tmp_path):  # noqa: F811
    drawn = 0
    for name, urls in PUBLISHED.items():
        folder = tmp_path / FOLDER / name / "images"
        folder.mkdir(parents=True)
        for number in range(1, len(urls) + 1):
            drawn += 1
            draw(drawn, 64).convert("L").save(folder / f"{name}-{number}.png")
        rows = [(f"{name}-{n}", "PNG", "256*256", url) for n, url in enumerate(urls, start=1)]
        write_book(tmp_path / FOLDER / f"{name}.metadata.xlsx", rows)
    found = tmp_path / "found.json"
    done = run("corpora", "check", "radiography", "--root", tmp_path / FOLDER, "--json", found)
    assert "metadata alone (source) tell class: AUC 0." in done.out
    assert "; best COVID, from the rest 1.000" in done.out
    said = "bimcv.cipf.es, github.com/ml-workgroup/covid-19-image-repository"
    assert f"LOOK: class COVID comes from sources of its own: {said}" in done.out
    assert "class Normal comes" not in done.out
    numbers = json.loads(found.read_text())
    assert numbers["own_sources"]["COVID"] == said.split(", ")
    (baseline,) = numbers["metadata_baselines"]
    assert baseline["auc"] > 0.85
    assert max(baseline["auc_by_class"]) == 1.0


def test_a_source_changes_no_hash_of_a_listing(tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    study = {
        "corpus": "made",
        "study_id": "s",
        "patient_id": "p",
        "images": [{"path": str(tmp_path / "a.png")}],
    }
    plain, told = (list_studies("made", tmp_path, [s]) for s in (study, study | {"source": "x"}))
    assert plain.content_hash == told.content_hash
    assert plain.content_hash == "c29c08ba4668de857af8fd6efa32be335acaeb9b49742f7b4e9b268c27c9d5dd"
    assert told.studies["source"][:] == ["x"]
