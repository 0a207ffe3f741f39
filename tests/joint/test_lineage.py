"""A whole run tells what it was made from: the way back, one changed byte, and nothing private."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pandas as pd
import pyarrow.parquet as pq
import pytest

from configs.files import hash_file
from data_cards.corpora import CORPORA, Corpus
from data_cards.lineage import Lineage, LineageError, LineageNode, Parent
from data_cards.lineage_tables import AS_IT_WAS, CHANGED, NOT_FOUND
from joint.evaluation.folder import write_run_evaluation
from joint.lineage.figure import LETTERS
from joint.lineage.record import add_predictions, run_hash
from joint.lineage.runs import REBUILT
from joint.lineage.text import shorten
from joint.lineage.trace import find_lineage
from joint.predictions import PARENTS_KEY
from joint.run_folder import RunFolder
from joint.run_record import RunPlace
from tests.joint.canary_run import (
    STUDY_PREFIX,
    ask,
    changed,
    flip_last,
    statuses_of,
    train,
)
from tests.joint.tiny_corpus import (
    PATIENT_PREFIX,
    PLANTED_WORD,
    STUDIES,
    grade_of,
    write_tiny,
)
from vision.grader import Grader
from vision.grader_card import GraderError, read_card, write_card

KINDS = [
    *("corpus listing", "rules", "label table", "image cache"),
    *("run", "reference", "predictions", "grader"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where the run was started: its settings name all by paths relative to this folder."""
    CORPORA["canary"] = Corpus("canary", "drawn for tests", "tests.joint.canary_run:read_canary")
    yield tmp_path_factory.mktemp("planted-home")
    del CORPORA["canary"]


@pytest.fixture(scope="module")
def run(home):
    """A finished run's folder."""
    write_tiny(home / "corpus")
    ids = [f"{STUDY_PREFIX}-s{number}" for number in range(STUDIES)]
    reads = {"study_id": ids, "severity": [grade_of(number) for number in range(STUDIES)]}
    pd.DataFrame(reads).to_csv(home / "reads.csv", index=False)
    train(home)
    return home / "runs" / "tiny-run"


def test_the_way_from_corpus_to_grader_is_whole(run):
    told = ask(run, "--check")
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert all(AS_IT_WAS in line or line.endswith("as above") for line in lines)
    ways = [line.lstrip("┌├│─ ").split("  ")[0] for line in lines]
    assert ways == [
        *("corpus listing", "rules", "label table", "corpus listing", "image cache"),
        *("run", "reference", "predictions", "grader"),
    ]
    assert [node.kind for node in find_lineage(run).lineage.nodes] == KINDS
    for given in (run / "grader", run / "predictions.parquet"):
        assert ask(given, "--check").stdout == told.stdout


def test_every_parent_is_in_the_graph_before_its_child(run):
    seen = set()
    for node in Lineage.model_validate_json((run / "lineage.json").read_text()).nodes:
        assert set(node.parents) <= seen, node.kind
        assert len(node.hash) == 64
        assert node.kind in {"corpus listing", "rules", "reference"} or node.created
        seen.add(node.hash)


def find_file(run, home, kind):
    return {
        "label table": lambda: next(home.glob("work/*/labels*.parquet")),
        "image cache": lambda: next(home.glob("work/*/images*/*/shards/*")),
        "run": lambda: run / "settings.yaml",
        "reference": lambda: home / "reads.csv",
        "predictions": lambda: run / "predictions.parquet",
    }[kind]()


@pytest.mark.parametrize("kind", ["label table", "image cache", "reference", "predictions"])
def test_one_changed_byte_is_found(run, home, kind):
    with changed(find_file(run, home, kind), flip_last):
        told = ask(run, "--check")
    assert told.exit_code == 1
    (line,) = (line for line in told.stdout.splitlines() if CHANGED in line)
    assert kind in line
    assert f"changed since: {kind} " in told.stderr


def test_a_label_table_is_told_without_what_trains_and_draws(run, home):
    table = find_file(run, home, "label table")
    code = (
        "import sys; from typer.testing import CliRunner; from joint.commands import app;"
        f"told = CliRunner().invoke(app, ['lineage', {str(table)!r}]).stdout;"
        "print(told, {'torch', 'matplotlib', 'transformers', 'spacy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "40 studies; labeler kerley" in done.stdout
    assert done.stdout.endswith("set()\n")


def test_without_check_a_change_is_said_and_no_failure(run, home):
    with changed(find_file(run, home, "reference"), flip_last):
        told = ask(run)
    assert (told.exit_code, told.stderr) == (0, "changed since: reference reads.csv\n")


def test_other_training_settings_are_a_changed_run(run, home):
    with changed(find_file(run, home, "run"), lambda text: text.replace(b"seed: 0", b"seed: 1")):
        assert statuses_of(run)["run"] == CHANGED


def test_a_corpus_with_another_report_has_changed(run, monkeypatch):
    monkeypatch.setattr("tests.joint.tiny_corpus.PLANTED_WORD", "Another")
    assert statuses_of(run)["corpus listing"] == CHANGED


def test_what_is_gone_is_not_found_here(run, home):
    (home / "work").rename(home / "away")
    told = ask(run, "--check")
    (home / "away").rename(home / "work")
    assert told.exit_code == 0, "what is not here cannot have changed here"
    missing = [line for line in told.stdout.splitlines() if NOT_FOUND in line]
    assert ["label table" in missing[0], "image cache" in missing[1], len(missing)] == [
        True,
        True,
        2,
    ]


def test_a_grader_alone_tells_all_that_it_was_made_from(run, tmp_path):
    shutil.copytree(run / "grader", tmp_path / "sent")
    statuses = statuses_of(tmp_path / "sent")
    assert list(statuses) == KINDS
    assert {kind for kind, status in statuses.items() if status == AS_IT_WAS} == {"rules", "grader"}


def test_a_second_start_keeps_the_lineage_as_it_was(run, home):
    before = (run / "lineage.json").read_bytes(), (run / "grader" / "grader.json").read_bytes()
    train(home)
    after = (run / "lineage.json").read_bytes(), (run / "grader" / "grader.json").read_bytes()
    for now, then in zip(after, before, strict=True):
        assert json.loads(now) == json.loads(then)


def test_dates_change_no_weights_but_another_parent_is_refused(run, tmp_path):
    before = read_card(run / "grader")
    nodes = before.lineage.nodes
    later = tuple(node.model_copy(update={"created": "2030-01-01"}) for node in nodes)
    other = (nodes[0].model_copy(update={"hash": "0" * 64}), *nodes[1:])
    grader = shutil.copytree(run / "grader", tmp_path / "grader")
    write_card(grader, before.model_copy(update={"lineage": Lineage(nodes=later)}))
    assert read_card(grader).contract == before.contract
    write_card(grader, before.model_copy(update={"lineage": Lineage(nodes=other)}))
    with pytest.raises(GraderError, match="changed since it was saved"):
        read_card(grader)


def test_predictions_and_evaluation_name_their_parents(run, home, tmp_path):
    nodes = {node.kind: node for node in find_lineage(run).lineage.nodes}
    stored = pq.read_schema(run / "predictions.parquet").metadata[PARENTS_KEY]
    assert json.loads(stored) == [
        Parent(kind="run", name="tiny-run", hash=nodes["run"].hash, path=".").model_dump()
    ]
    write_run_evaluation(run, tmp_path, reference=home / "reads.csv")
    named = json.loads((tmp_path / "evaluation.json").read_text())["parents"]
    assert {one["kind"]: one["hash"] for one in named} == {
        kind: nodes[kind].hash for kind in ("predictions", "reference")
    }


def test_nothing_private_is_in_lineage_figure_or_text(run, home, tmp_path):
    figure = tmp_path / "way.svg"
    told = ask(run, "--figure", figure, "--json")
    written = [
        *(told.stdout, figure.read_text(encoding="utf-8"), ask(run).stdout),
        *(
            (run / name).read_text(encoding="utf-8")
            for name in ("lineage.json", "grader/grader.json")
        ),
    ]
    for text in written:
        assert "tiny-run" in text, "the test must read what was written"
        for secret in (STUDY_PREFIX, PLANTED_WORD, PATIENT_PREFIX, "planted-home", str(home)):
            assert secret.lower() not in text.lower()


def test_the_figure_holds_every_box_with_long_names_cut(run, tmp_path):
    told = ask(run, "--figure", tmp_path / "way.svg")
    assert told.exit_code == 0
    words = {node.text for node in ElementTree.parse(tmp_path / "way.svg").iter() if node.text}
    assert set(KINDS) <= words
    table = next(node for node in find_lineage(run).lineage.nodes if node.kind == "label table")
    assert table.name not in words
    assert shorten(table.name, LETTERS) in words
    ask(run, "--figure", tmp_path / "way.png")
    assert (tmp_path / "way.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(LineageError, match=r"way.pdf: a figure is written as .svg or .png"):
        ask(run, "--figure", tmp_path / "way.pdf")


@pytest.fixture
def old_run(run, tmp_path):
    """The same run as a Kerley before lineages would have left it."""
    shutil.copytree(run, tmp_path / "old")
    (tmp_path / "old" / "lineage.json").unlink()
    grader = Grader.load(tmp_path / "old" / "grader", engine="torch")
    dataclasses.replace(grader, lineage=None).save(tmp_path / "old" / "grader")
    return tmp_path / "old"


def test_an_old_run_is_put_together_from_what_lies_there(old_run, home, monkeypatch):
    monkeypatch.chdir(home)
    told = ask(old_run)
    assert told.exit_code == 0
    assert REBUILT in told.stderr
    kinds = [node.kind for node in find_lineage(old_run).lineage.nodes]
    assert kinds == [*KINDS[:5], "grader"]
    assert set(statuses_of(old_run).values()) == {AS_IT_WAS}


def test_an_old_grader_alone_tells_its_hashes(old_run, tmp_path):
    grader = shutil.copytree(old_run / "grader", tmp_path / "sent")
    nodes = find_lineage(grader).lineage.nodes
    assert [node.kind for node in nodes] == [
        *("corpus listing", "label table", "image cache", "run", "grader")
    ]


def test_a_run_that_says_nothing_is_refused(old_run):
    shutil.rmtree(old_run / "grader")
    with pytest.raises(LineageError, match=r"old: has neither lineage.json nor a grader"):
        ask(old_run)


def test_what_is_no_lineage_is_one_clear_message(old_run, home, tmp_path):
    (old_run / "lineage.json").write_text("{}", encoding="utf-8")
    for given, message in {
        old_run: r"lineage.json: not the lineage of a run",
        tmp_path / "none": r"none: no such file or folder; expected a run folder",
        home: "neither run nor model lies there",
        home / "reads.csv": "reads.csv: not a label table",
    }.items():
        with pytest.raises(LineageError, match=message):
            ask(given)
    table = shutil.copy(find_file(old_run, home, "label table"), tmp_path)
    with pytest.raises(LineageError, match="has no manifest"):
        ask(table)


def test_a_reference_that_is_known_as_audited_reads_stands_there_once(run, tmp_path):
    reads = tmp_path / "panel.csv"
    reads.write_text("study_id,severity\n", encoding="utf-8")
    hashes = {"labels": "a" * 64}
    known = LineageNode(kind="audited reads", name="panel.csv", hash=hash_file(reads))
    own = LineageNode(kind="run", name="r", hash=run_hash(hashes), parents=(known.hash,))
    folder = RunFolder(tmp_path)
    folder.lineage.write_text(Lineage(nodes=(known, own)).model_dump_json(), encoding="utf-8")
    folder.predictions.touch()
    settings = RunFolder(run).read_settings()
    evaluation = settings.evaluation.model_copy(update={"reference": reads})
    settings = settings.model_copy(update={"evaluation": evaluation})
    prepared = SimpleNamespace(rows=lambda split: [])
    lineage = add_predictions(RunPlace(settings, folder, prepared, hashes))
    assert [node.kind for node in lineage.nodes] == ["audited reads", "run", "predictions"]
    assert lineage.nodes[-1].parents == (own.hash, known.hash)
