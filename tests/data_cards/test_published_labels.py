"""The labels that corpora come with, each in its publisher's layout, as label tables."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pytest

from data_cards.corpora import CORPORA, find_corpus
from data_cards.findings import FINDINGS
from data_cards.label_table import read_label_table, read_manifest
from data_cards.mimic_cxr import labels as mimic_labels
from data_cards.padchest import labels as padchest_labels
from data_cards.published_labels import list_tables, write_published_labels
from data_cards.study import CorpusError
from joint.predictions import read_reference
from tests.data_cards.corpus_trees import hash_tree, write_table
from tests.data_cards.test_commands import run  # noqa: F401 - a fixture
from tests.data_cards.test_padchest import TABLE as PADCHEST
from tests.data_cards.test_padchest import make_row

SEVERITY = "subject_id,study_id,edema_severity"


def write(name, root, table=None):
    before = hash_tree(root)
    out = root.parent / f"{root.name}-labels.parquet"
    manifest = write_published_labels(find_corpus(name), root, out, table=table)
    assert hash_tree(root) == before
    assert read_manifest(out) == manifest
    frame = read_label_table(out).set_index("study_id")
    return frame[[column for column in frame if frame[column].notna().any()]]


def codes(frame, study):
    return {name: int(value) for name, value in frame.loc[study].items() if pd.notna(value)}


def test_chexpert_joins_the_images_of_a_study(tmp_path):
    path = "CheXpert-v1.0-small/train/patient00001/study{}/view{}_frontal.jpg"
    rows = [
        {"Path": path.format(1, 1), "No Finding": "", "Edema": "-1.0", "Fracture": "0.0"},
        {"Path": path.format(1, 2), "No Finding": "", "Edema": "1.0", "Fracture": ""},
        {"Path": path.format(2, 1), "No Finding": "1.0", "Edema": "", "Fracture": ""},
    ]
    root = tmp_path / "root"
    write_table(root / "train.csv", rows)
    write_table(
        root / "CheXpert/test_labels.csv",
        [{"Path": "test/patient64741/study1/view1_frontal.jpg", "Airspace Opacity": "1"}],
    )
    frame = write("chexpert", root)
    assert codes(frame, "patient00001/study1") == {"Edema": 1, "Fracture": 0}
    assert codes(frame, "patient00001/study2") == {"No Finding": 1}
    assert codes(frame, "patient64741/study1") == {"Lung Opacity": 1}


@pytest.mark.parametrize("part", ["report", "impression", "findings", None])
def test_chexbert_labels_are_json_lines(tmp_path, part):
    lines = [
        {"path_to_image": "train/patient00001/study1/view1_frontal.jpg", "Edema": -1.0},
        {"path_to_image": "train/patient00001/study1/view2_lateral.jpg", "Edema": None},
        {"path_to_image": "valid/patient64541/study1/view1_frontal.jpg", "Edema": float("nan")},
    ]
    file = tmp_path / f"root/chexbert_labels/{part or 'report'}_fixed.json"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    frame = write("chexpert_plus", tmp_path / "root", part)
    assert codes(frame, "patient00001/study1") == {"Edema": -1}
    assert codes(frame, "patient64541/study1") == {}


def test_chestxray14_says_what_is_named(tmp_path):
    header = "Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position"
    rows = ["00000001_000.png,Effusion|Pleural_Thickening,1,57,M,PA"]
    rows += ["00000002_000.png,No Finding,2,57,M,PA"]
    root = tmp_path / "root"
    root.mkdir()
    (root / "Data_Entry_2017_v2020.csv").write_text("\n".join((header, *rows)) + "\n")
    frame = write("nih_chestxray14", root)
    found = codes(frame, "00000001_000")
    assert [name for name in found if found[name]] == ["Pleural Effusion", "Pleural Thickening"]
    assert len(found) == 15
    assert [name for name, code in codes(frame, "00000002_000").items() if code] == ["No Finding"]


def test_padchest_maps_its_names_and_keeps_physicians_apart(tmp_path):
    rows = [
        make_row("a.png"),
        make_row("b.png", StudyID="s2", MethodLabel="RNN_model", Labels="['normal', '']"),
        make_row("c.png", StudyID="s3", Labels=""),
        make_row("d.png", StudyID="s4", Labels="['unchanged', 'pulmonary edema']"),
    ]
    root = tmp_path / "root"
    write_table(root / PADCHEST, rows)
    frame = write("padchest", root)
    assert list(frame.index) == ["s1", "s2", "s4"]
    named = {study: [n for n, code in codes(frame, study).items() if code] for study in frame.index}
    assert named == {
        "s1": ["Cardiomegaly", "Pleural Effusion"],
        "s2": ["No Finding"],
        "s4": ["Lung Opacity", "Edema"],
    }
    assert list(write("padchest", root, "physician").index) == ["s1", "s4"]


def test_the_map_of_padchest_names_known_findings():
    import yaml

    known = yaml.safe_load(padchest_labels.MAP.read_text(encoding="utf-8"))
    assert set(known) <= set(FINDINGS)
    assert all(isinstance(name, str) for names in known.values() for name in names)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("['normal'", "Labels: expected a list"), ("__import__('os')", "Labels: expected a list")],
)
def test_a_cell_of_padchest_is_read_and_never_run(tmp_path, cell, expected):
    write_table(tmp_path / PADCHEST, [make_row("a.png", Labels=cell)])
    with pytest.raises(CorpusError, match=expected):
        write_published_labels(find_corpus("padchest"), tmp_path, tmp_path / "o.parquet")


@pytest.mark.parametrize("name", ["chexpert", "negbio"])
@pytest.mark.parametrize("inside", ["mimic-cxr-jpg/2.1.0", "."])
def test_mimic_labelers_tables_may_be_packed(tmp_path, name, inside):
    file = tmp_path / "root" / inside / f"mimic-cxr-2.0.0-{name}.csv.gz"
    file.parent.mkdir(parents=True)
    text = "subject_id,study_id,Atelectasis,Edema,Lung Opacity\n10000032,50414267,1.0,,-1.0\n"
    file.write_bytes(gzip.compress(text.encode()))
    frame = write("mimic_cxr", tmp_path / "root", name)
    assert codes(frame, "50414267") == {"Atelectasis": 1, "Lung Opacity": -1}


def test_mimic_test_set_has_no_patients_and_another_name_for_lung_opacity(tmp_path):
    file = tmp_path / "root" / "mimic-cxr-2.1.0-test-set-labeled.csv"
    file.parent.mkdir()
    file.write_text("study_id,Airspace Opacity,Edema\n50414267,1,-1\n")
    frame = write("mimic_cxr", tmp_path / "root", "test_set")
    assert codes(frame, "50414267") == {"Lung Opacity": 1, "Edema": -1}


@pytest.mark.parametrize("kind", ["regex_report", "expert_report", "consensus_image"])
def test_mimic_grades_are_labels_and_a_reference(tmp_path, caplog, monkeypatch, kind):
    folder = tmp_path / "root/mimic-cxr-pe-severity/1.0.1"
    folder.mkdir(parents=True)
    file = folder / f"{kind}_edema_severity.csv"
    dicom = kind == "consensus_image"
    header = SEVERITY.replace(",edema", ",dicom_id,edema") if dicom else SEVERITY
    middle = "x," if dicom else ""
    file.write_text(f"{header}\n1,11,{middle}3\n2,22,{middle}0\n2,23,{middle}1.0\n")
    monkeypatch.setitem(mimic_labels.KNOWN_GRADES, kind, {"rows": 3, "patients": 2, "0": 2})
    frame = write("mimic_cxr", tmp_path / "root", kind)
    assert frame["edema_severity"].to_dict() == {"11": 3, "22": 0, "23": 1}
    assert caplog.messages == [f"{file.name}: 1 0, and 2 are published"]
    for reference in (file, tmp_path / "root-labels.parquet"):
        assert read_reference(reference).to_dict() == {"11": 3, "22": 0, "23": 1}


@pytest.mark.parametrize(
    ("name", "table", "expected"),
    [
        ("mimic_cxr", "regex_report", "regex_report_edema_severity.csv: no such file"),
        ("mimic_cxr", "x", "'x': corpus 'mimic_cxr' has the tables chexpert, negbio, test_set, r"),
        ("openi", None, "corpus 'openi': comes with no labels that Kerley reads"),
        ("chexpert_plus", None, "report_fixed.json: no such file"),
    ],
)
def test_what_is_missing_is_named(tmp_path, name, table, expected):
    with pytest.raises(CorpusError, match=expected):
        write_published_labels(find_corpus(name), tmp_path, tmp_path / "o.parquet", table=table)


def test_a_wrong_code_is_named_without_being_shown(tmp_path):
    rows = [{"Path": "train/patient00001/study1/a.jpg", "Edema": "oedema of Mr. Doe"}]
    write_table(tmp_path / "train.csv", rows)
    with pytest.raises(CorpusError, match=r"row 1 \(line 2\), Edema: expected 1, 0") as caught:
        write_published_labels(find_corpus("chexpert"), tmp_path, tmp_path / "o.parquet")
    assert "Doe" not in str(caught.value)


def test_the_command_writes_the_usual_table(run, tmp_path):  # noqa: F811
    rows = [{"Path": "train/patient00001/study1/a.jpg", "Edema": "1.0"}]
    write_table(tmp_path / "train.csv", rows)
    out = tmp_path / "labels.parquet"
    done = run("corpora", "labels", "chexpert", "--root", tmp_path, "--out", out)
    assert (done.code, done.out) == (0, f"{out}: 1 studies, published: chexpert chexpert\n")
    refused = run("corpora", "labels", "chexpert", "--root", tmp_path, "--out", out, "--table", "x")
    assert (refused.code, refused.err) == (
        2,
        "kerley: 'x': corpus 'chexpert' has the tables chexpert\n",
    )


@pytest.mark.parametrize("corpus", [one for one in CORPORA.values() if one.labels])
def test_every_corpus_with_labels_names_its_tables(corpus):
    assert list_tables(corpus)
