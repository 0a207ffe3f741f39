"""A whole run on a tiny corpus: what it writes, what it refuses, and what it never says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from configs.settings import SettingsError, load_settings, save_settings
from data_cards.corpora import CORPORA
from data_cards.findings import FINDINGS
from data_cards.label_table import write_label_table
from data_cards.study import CorpusError
from joint.evaluation.folder import write_run_evaluation
from joint.evaluation.run import measure_run
from joint.metrics_log import MetricsLog
from joint.predictions import CALIBRATED, RAW, PredictionsError
from joint.prepare import PreparationError
from joint.resuming.checkpoints import CheckpointError
from joint.run import run_training
from joint.run_folder import RunFolderError
from joint.run_settings import RunSettings
from joint.train import describe_result, main
from tests.joint.tiny import TOWER, joint_settings
from tests.joint.tiny_corpus import (
    PATIENT_PREFIX,
    PLANTED_WORD,
    STUDIES,
    TINY_CORPUS,
    grade_of,
    write_tiny,
)
from vision.grader import Grader
from vision.metrics import MetricsError

JOINT = joint_settings().model_dump(mode="json")
GRADING = {"kind": "grading", "tower": TOWER.model_dump(mode="json"), "batches": {"size": 8}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The tiny corpus, known to Kerley under the name `tiny`."""
    CORPORA["tiny"] = TINY_CORPUS
    yield write_tiny(tmp_path_factory.mktemp("planted-path") / "corpus")
    del CORPORA["tiny"]


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory):
    """A finished joint run with its mirror, and what it returned."""
    settings = tiny_run(corpus, tmp_path_factory.mktemp("runs"), task=JOINT)
    settings = change(settings, "tracking", wandb="offline")
    return settings, run_training(settings)


def tiny_run(corpus, out, *, task=GRADING, **changes):
    values = {
        "name": "tiny-run",
        "out": str(out),
        "data": {
            "corpus": "tiny",
            "root": str(corpus),
            "work": str(corpus.parent / "work"),
            "cache": {"size": 32},
            "validate_share": 0.25,
            "test_share": 0.25,
        },
        "task": task,
        "loop": {"steps": 4, "evaluate_every": 2, "log_every": 1},
        "tracking": {"wandb": "disabled"},
        "evaluation": {"resamples": 20},
    }
    return RunSettings.model_validate_json(json.dumps(values | changes))


def change(settings, part, **values):
    inner = getattr(settings, part).model_copy(update=values)
    return settings.model_copy(update={part: inner})


def test_a_run_folder_is_complete(finished):
    settings, result = finished
    folder = result.folder.path
    assert {path.name for path in folder.iterdir()} == {
        *("settings.yaml", "checkpoints", "metrics.jsonl", "predictions.parquet", "figures"),
        *("README.md", "card.json", "grader", "tokenizer.json", "wandb", "lock"),
        "lineage.json",
    }
    assert load_settings(RunSettings, folder / "settings.yaml") == settings
    kinds = [row["kind"] for row in MetricsLog(folder / "metrics.jsonl").rows()]
    assert kinds == [*["train"] * 2, "validate", *["train"] * 2, "validate", "evaluate"]
    assert {path.name for path in (folder / "checkpoints").iterdir()} >= {"last", "best"}
    assert describe_result(result)[0].endswith(f"best at step {result.report.progress.best_step}")


def test_predictions_name_study_patient_and_split_and_hold_distributions(finished):
    frame = pd.read_parquet(finished[1].folder.predictions)
    assert set(frame["split"]) == {"validate", "test"}
    assert not frame.duplicated(["study_id", "image"]).any()
    for columns in (RAW, CALIBRATED):
        assert frame[list(columns)].sum(axis=1).to_numpy() == pytest.approx(1.0)
    grades = frame["study_id"].str.removeprefix("s").astype(int).map(grade_of)
    said = frame["report_severity"].notna()
    assert (frame["report_severity"][said] == grades[said]).all()
    assert frame["expected_grade"].between(0, 3).all()


def test_the_unreadable_image_is_left_out_and_counted(finished, corpus):
    card = finished[1].folder.card.read_text(encoding="utf-8")
    assert "Left out: 1 unreadable images" in card
    assert "Not for clinical use" in card


def test_the_grader_grades_as_the_predictions_say(finished, corpus):
    frame = pd.read_parquet(finished[1].folder.predictions).set_index("study_id")
    grader = Grader.load(finished[1].folder.grader)
    study = frame.index[0]
    grade = grader(corpus / f"study-{study.removeprefix('s')}.png")
    assert grade.probabilities == pytest.approx(frame.loc[study, list(CALIBRATED)], abs=1e-5)


def test_nothing_private_is_written_where_it_does_not_belong(finished, corpus):
    folder = finished[1].folder.path
    local = {"predictions.parquet", "tokenizer.json"}
    written = [p for p in folder.rglob("*") if p.is_file() and p.name not in local]
    assert any(path.suffix == ".wandb" for path in written)
    for path in written:
        content = path.read_bytes().lower()
        for secret in (PLANTED_WORD, PATIENT_PREFIX, "planted-path"):
            if (path.name, secret) != ("settings.yaml", "planted-path"):
                assert secret.lower().encode() not in content, (path.name, secret)
    assert PLANTED_WORD.lower()[:4] in (folder / "tokenizer.json").read_text(encoding="utf-8")


def test_the_mirror_holds_the_rows_of_the_record(finished):
    from tests.joint.mirror import history

    rows = list(MetricsLog(finished[1].folder.metrics).rows())
    mirrored = [row for row in history(finished[1].folder.path) if not is_chart(row)]
    assert [row["global_step"] for row in mirrored] == [row["step"] for row in rows]
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert [row["train/loss"] for row in mirrored if "train/loss" in row] == losses


def is_chart(row):
    return any("_table." in name for name in row)


def test_a_finished_run_is_evaluated_again_and_not_trained(finished):
    settings, result = finished
    again = run_training(settings)
    assert again.report.samples == 0
    assert again.evaluation.numbers() == result.evaluation.numbers()


def test_evaluate_takes_another_reference(finished, tmp_path):
    reference = tmp_path / "image.csv"
    rows = [f"s{number},{grade_of(number)}" for number in range(STUDIES)]
    reference.write_text("study_id,severity\n" + "\n".join(rows), encoding="utf-8")
    evaluation = measure_run(finished[1].folder.path, reference=str(reference)).evaluation
    assert evaluation.images["reference"] == len(evaluate_run_images(finished))
    assert evaluation.images["report"] < evaluation.images["reference"]
    reference.write_text("study_id,severity\ns1,2\ns2,7\n", encoding="utf-8")
    with pytest.raises(PredictionsError, match="row 2: severity is not one of 0, 1, 2, 3"):
        measure_run(finished[1].folder.path, reference=str(reference))
    with pytest.raises(RunFolderError, match="not a run folder"):
        measure_run(tmp_path)


def test_an_evaluation_folder_holds_every_number_and_figure(finished, tmp_path):
    run, out = finished[1].folder.path, tmp_path / "evaluation"
    written = write_run_evaluation(run, out)
    record = json.loads((out / "evaluation.json").read_text())
    assert record["against"] == "report"
    assert record["images"] == finished[1].evaluation.images["report"]
    for figure in ("confusion", "reliability", "risk_coverage"):
        assert figure in written
        assert json.loads((out / f"{figure}.json").read_text())["panels"]
    with pytest.raises(MetricsError, match="no confidence keeps"):
        write_run_evaluation(run, tmp_path / "other", target_risk=0.01)


def evaluate_run_images(finished):
    frame = pd.read_parquet(finished[1].folder.predictions)
    return frame[frame["split"] == "test"]


def test_calibration_on_a_reference_uses_its_grades(corpus, tmp_path):
    reference = tmp_path / "image.parquet"
    ids = [f"s{number}" for number in range(STUDIES)]
    pd.DataFrame({"study_id": ids, "severity": [(n // 2) % 4 for n in range(STUDIES)]}).to_parquet(
        reference
    )
    settings = change(
        tiny_run(corpus, tmp_path, data=many_validated(corpus)),
        "evaluation",
        reference=reference,
        calibrate_on="reference",
        anchors=22,
    )
    result = run_training(settings)
    grader = Grader.load(result.folder.grader)
    assert grader.severity_calibration is not None
    assert set(result.evaluation.calibrated) == {"report", "reference"}
    raw = result.predictions[list(RAW)].to_numpy()
    assert np.abs(raw - result.predictions[list(CALIBRATED)].to_numpy()).max() > 0.01


def test_a_share_of_wrong_grades_that_cannot_be_promised_is_said(finished, caplog):
    result = run_training(change(finished[0], "evaluation", largest_risk=0.01))
    assert Grader.load(result.folder.grader).risk is None
    assert "evaluation.largest_risk: " in caplog.text


def many_validated(corpus):
    data = tiny_run(corpus, Path("x")).data.model_dump(mode="json")
    return data | {"validate_share": 0.6, "test_share": 0.15}


def test_other_training_settings_are_refused_by_name(finished):
    settings = change(finished[0], "optimizer", learning_rate=0.5)
    with pytest.raises(RunFolderError, match=r"\(optimizer.learning_rate 0.001 → 0.5\)"):
        run_training(settings)
    assert run_training(change(finished[0], "evaluation", resamples=10)).report.samples == 0


def test_other_labels_are_refused_unless_named_and_then_recorded(corpus, tmp_path):
    table = tmp_path / "labels.parquet"
    settings = tiny_run(corpus, tmp_path)
    labelled = change(settings, "data", labels=table_labels(table))
    write_table(table, grade_of)
    run_training(labelled)
    write_table(table, lambda number: 3 - grade_of(number))
    with pytest.raises(CheckpointError, match="made from other labels than this run"):
        run_training(labelled)
    config = tmp_path / "run.yaml"
    save_settings(labelled, config)
    assert main([str(config), "--resume-with-other", "labels"]) == 0
    (row,) = json.loads((tmp_path / "tiny-run" / "resumed_with.json").read_text(encoding="utf-8"))
    assert (row["step"], row["name"]) == (4, "labels")
    assert (
        f"| 4 | labels | `{row['before']}` |" in (tmp_path / "tiny-run" / "README.md").read_text()
    )
    assert "after step 4: labels " in (tmp_path / "tiny-run" / "lineage.json").read_text()


def table_labels(path):
    from joint.run_settings import TableLabels

    return TableLabels(kind="table", path=path)


def write_table(path, grade):
    empty = dict.fromkeys(FINDINGS)
    rows = [
        {"study_id": f"s{n}", **empty, "edema_severity": grade(n), "evidence": []}
        for n in range(STUDIES)
    ]
    path.unlink(missing_ok=True)
    write_label_table(path, rows)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"root": Path("nowhere")}, CorpusError, "nowhere.* is not a folder"),
        ({"labels": table_labels(Path("none.parquet"))}, PreparationError, "none.parquet.*missing"),
    ],
)
def test_missing_input_is_one_clear_message(corpus, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run_training(change(tiny_run(corpus, tmp_path), "data", **changes))


def test_an_empty_corpus_is_one_clear_message(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    run = tiny_run(tmp_path, tmp_path)
    data = run.data.model_copy(update={"corpus": "image_folder", "root": tmp_path / "empty"})
    save_settings(run.model_copy(update={"data": data}), tmp_path / "run.yaml")
    assert main([str(tmp_path / "run.yaml")]) == 2
    assert "no " in capsys.readouterr().err


def test_a_table_without_any_severity_is_one_clear_message(corpus, tmp_path):
    table = tmp_path / "labels.parquet"
    write_table(table, lambda number: None)
    settings = change(tiny_run(corpus, tmp_path), "data", labels=table_labels(table))
    with pytest.raises(PreparationError, match=r"no training study has a severity \(0 of 40"):
        run_training(settings)


def test_an_unknown_key_names_file_and_line(corpus, tmp_path):
    file = tmp_path / "run.yaml"
    save_settings(tiny_run(corpus, tmp_path), file)
    file.write_text(file.read_text(encoding="utf-8") + "learning_rat: 3\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"run.yaml, line \d+: learning_rat"):
        load_settings(RunSettings, file)
