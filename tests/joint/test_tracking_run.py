"""A whole run's mirror: what a researcher finds in it, and that nothing private is there."""

from __future__ import annotations

import io
import json
import logging
import re
from contextlib import redirect_stderr, redirect_stdout

import pandas as pd
import pytest

from configs.settings import save_settings
from data_cards.corpora import CORPORA, Corpus
from data_cards.study import list_studies
from joint.evaluation.metrics import evaluate_predictions
from joint.lineage.record import read_lineage
from joint.metrics_log import MetricsLog, find_best
from joint.predictions import read_predictions
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.tracking.evaluation import mirror_evaluation
from joint.tracking.tables import tabulate_curves
from joint.train import main
from joint.training.settings import hash_recipe
from tests.joint import tiny_corpus
from tests.joint.mirror import (
    artifacts,
    config,
    entries,
    exit_codes,
    find_mirror,
    history,
    records,
    sendable,
    summary,
)
from tests.joint.test_run import JOINT, change, tiny_run
from tests.joint.tiny_corpus import PATIENT_PREFIX, PLANTED_WORD, STUDIES, grade_of, write_tiny
from vision.grader import Grader

STUDY_PREFIX = "canary-study"
PATH, RUN_NAME, REFERENCE = "canary-path", "canary-run", "canary-reference"
TABLES = {
    f"{against}/{kind}"
    for against in ("report", "reference")
    for kind in ("confusion", "roc", "reliability")
}


def read_canary(root):
    """The tiny corpus with study ids that can be looked for."""
    rows = [tiny_corpus._study(root, number) for number in range(STUDIES)]
    named = [row | {"study_id": f"{STUDY_PREFIX}-{n}"} for n, row in enumerate(rows)]
    return list_studies("tiny", root, named)


def private_words(*, path=True):
    words = [PLANTED_WORD, PATIENT_PREFIX, STUDY_PREFIX, r"study-\d+\.png", "jane", "zanzi"]
    words += [PATH, RUN_NAME, REFERENCE] if path else []
    return re.compile("|".join(words).encode(), re.IGNORECASE)


def run_canary(out, upload):
    """Train through the command line with everything private planted.

    Returns the run's folder, its settings, and all that it printed and logged.
    """
    corpus, reference = write_tiny(out / PATH / "corpus"), out / f"{REFERENCE}.csv"
    rows = [f"{STUDY_PREFIX}-{n},{grade_of(n)}" for n in range(STUDIES)]
    reference.write_text("study_id,severity\n" + "\n".join(rows), encoding="utf-8")
    settings = tiny_run(corpus, out / PATH, task=JOINT, name=RUN_NAME)
    settings = change(settings, "evaluation", reference=reference)
    settings = change(settings, "tracking", wandb="offline", upload=upload)
    save_settings(settings, out / "run.yaml")
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    with redirect_stdout(said), redirect_stderr(said):
        assert main([str(out / "run.yaml")]) == 0
    logging.getLogger().removeHandler(handler)
    return RunFolder.of(settings), settings, said.getvalue()


@pytest.fixture(scope="module")
def corpora():
    CORPORA["tiny"] = Corpus("tiny", "drawn", "tests.joint.test_tracking_run:read_canary")
    yield
    del CORPORA["tiny"]


@pytest.fixture(scope="module")
def quiet(corpora, tmp_path_factory):
    """A run of which only numbers leave."""
    return run_canary(tmp_path_factory.mktemp("quiet"), ())


@pytest.fixture(scope="module")
def open_run(corpora, tmp_path_factory):
    """A run of which grader and predictions leave as well."""
    return run_canary(tmp_path_factory.mktemp("open"), ("grader", "predictions"))


def test_a_run_is_grouped_by_its_recipe_and_says_its_job(quiet):
    folder, settings, _ = quiet
    run = records(folder.path, "run")[0]
    assert (run.job_type, run.run_group) == ("train", hash_recipe(settings)[:12])
    assert exit_codes(folder.path) == [0]
    other = settings.model_copy(update={"seed": 9, "name": "other"})
    assert hash_recipe(other) == hash_recipe(settings)
    assert hash_recipe(change(settings, "optimizer", warmup_steps=3)) != hash_recipe(settings)


def test_every_metric_is_over_our_own_step(quiet):
    metrics = {each.name or each.glob_name: each for each in records(quiet[0].path, "metric")}
    assert metrics["*"].step_metric == "global_step"
    assert "global_step" in metrics


def test_the_settings_are_there_as_numbers_words_and_hashes(quiet):
    told = config(quiet[0].path)
    assert told["optimizer.learning_rate"] == 0.001
    assert told["task.losses.contrastive.kind"] == "infonce"
    corpus = next(node for node in read_lineage(quiet[0]).nodes if node.kind == "corpus listing")
    assert told["hash.corpus"] == corpus.hash
    assert not {"name", "out", "data.root", "evaluation.reference"} & set(told)


def test_the_summary_holds_the_best_validation_and_the_test_against_both(quiet):
    told = summary(quiet[0].path)
    best = find_best(MetricsLog(quiet[0].metrics).rows())
    assert told["best/step"] == best["step"]
    assert told["best/score"] == best["score"]
    (row,) = MetricsLog(quiet[0].metrics).rows("evaluate")
    for name in ("report.accuracy", "reference.accuracy", "reference.accuracy.low"):
        assert told[f"evaluate/{name}"] == row[name]


def test_every_chart_has_a_table_of_numbers_that_adds_up(quiet):
    folder = quiet[0]
    media = find_mirror(folder.path).parent / "files"
    logged = {
        name.removeprefix("evaluate/").removesuffix("_table.path"): media / value
        for row in history(folder.path)
        for name, value in row.items()
        if name.endswith("_table.path")
    }
    assert set(logged) == TABLES
    reference = pd.Series({f"{STUDY_PREFIX}-{n}": grade_of(n) for n in range(STUDIES)})
    made = tabulate_curves(read_predictions(folder.predictions), reference)
    for name, file in logged.items():
        table = json.loads(file.read_text(encoding="utf-8"))
        assert tuple(table["columns"]) == made[name].columns
        assert [tuple(row) for row in table["data"]] == made[name].rows
        words = {cell for row in table["data"] for cell in row if isinstance(cell, str)}
        assert words <= {*"0123", "0v123", "01v23", "012v3"}
    visualised = [key for key in config_updates(folder.path) if "visualize" in key]
    assert len(visualised) == len(TABLES)


def config_updates(folder):
    return {".".join(item.nested_key) for each in records(folder, "config") for item in each.update}


def test_the_artifacts_chain_from_the_corpus_to_the_predictions_by_hash(quiet):
    made = artifacts(quiet[0].path)
    assert set(made) == {"predictions", "grader"}
    assert {name: entries(each) for name, each in made.items()} == {
        "predictions": ["card.json"],
        "grader": ["card.json"],
    }
    lineage = {node.kind: node for node in read_lineage(quiet[0]).nodes}
    told = json.loads(made["grader"].metadata)
    assert lineage["grader"].hash[:12] in made["grader"].aliases
    chain = {each["kind"]: each for each in told["chain"]}
    assert {kind: each["hash"] for kind, each in chain.items()} == {
        kind: node.hash for kind, node in lineage.items() if kind != "grader"
    }
    assert lineage["corpus listing"].hash in chain["label table"]["parents"]
    assert lineage["label table"].hash in chain["run"]["parents"]
    assert lineage["run"].hash in chain["predictions"]["parents"]
    assert {"kind": "predictions", "hash": lineage["predictions"].hash} in told["parents"]


def test_nothing_private_leaves_and_none_is_said(quiet):
    sent = sendable(quiet[0].path)
    assert len(sent) > 20
    assert any(b"card.json" in content for content in sent.values())
    for place, content in sent.items():
        assert not private_words().search(content), place
    said = quiet[2]
    assert "Quadratic κ" in said
    assert "4/4" in said
    assert not private_words(path=False).search(said.encode())


def test_the_search_finds_what_is_planted(quiet):
    assert private_words().search(quiet[0].predictions.read_bytes())
    for word in (f"{STUDY_PREFIX}-3", f"{PATIENT_PREFIX}-1", PLANTED_WORD, "study-3.png", PATH):
        assert private_words().search(f"in {word.upper()} here".encode())


def test_what_is_asked_for_leaves_as_a_grader_that_works_and_blinded_rows(open_run):
    folder, settings, _ = open_run
    made = artifacts(folder.path)
    assert entries(made["predictions"]) == ["card.json", "predictions.parquet"]
    whole = ["card.json", "grader/grader.json", "grader/grader.safetensors"]
    assert entries(made["grader"]) == whole
    for place, content in sendable(folder.path).items():
        assert not private_words().search(content), place
    upload = folder.path / "wandb" / "upload"
    image = settings.data.root / "study-1.png"
    graded = Grader.load(upload / "grader" / "grader")(image)
    assert graded.probabilities == Grader.load(folder.grader)(image).probabilities
    rows = pd.read_parquet(upload / "predictions" / "predictions.parquet")
    own = read_predictions(folder.predictions)
    assert sorted(rows["p0"]) == sorted(own["p0"])
    assert {"study_id", "patient_id"} & set(rows) == set()
    assert rows["study"].nunique() == own["study_id"].nunique()
    assert rows["study"].str.fullmatch("[0-9a-f]{24}").all()


def test_a_later_evaluation_is_a_run_of_its_own_in_the_same_group(quiet):
    folder, settings, _ = quiet
    reference = pd.Series({f"{STUDY_PREFIX}-{n}": 3 - grade_of(n) for n in range(STUDIES)})
    evaluation = evaluate_predictions(
        read_predictions(folder.predictions), reference, resamples=20, seed=0
    )
    for _ in range(2):
        assert mirror_evaluation(folder, evaluation, reference).problems == 0
    run = records(folder.evaluation, "run")[0]
    assert (run.job_type, run.run_group) == ("evaluate", hash_recipe(settings)[:12])
    told = summary(folder.evaluation)
    assert told["evaluate/reference.accuracy"] == evaluation.numbers()["reference.accuracy"]
    assert told["evaluate/reference/confusion_table.nrows"] == 16
    for place, content in sendable(folder.evaluation).items():
        assert not private_words().search(content), place


def test_settings_of_a_run_refuse_to_send_what_is_not_known(quiet):
    values = quiet[1].model_dump(mode="json")
    values["tracking"]["upload"] = ["reports"]
    with pytest.raises(ValueError, match=r"tracking.upload.0"):
        RunSettings.model_validate_json(json.dumps(values))
