"""`kerley evaluate` on a tiny run and its controls: what it measures, says, and never says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from configs.settings import save_settings
from data_cards.corpora import CORPORA
from joint.commands import app as joint_commands
from joint.evaluation.content import describe_sections
from joint.evaluation.controls import compare_control
from joint.evaluation.embeddings import embed_test_set
from joint.evaluation.run import measure_run
from joint.evaluation.sections import NotMeasured, read_sections, write_sections
from joint.evaluation.zero_shot import read_prompts
from joint.predictions import CALIBRATED, PredictionsError
from joint.prepare import prepare_data
from joint.run_folder import RunFolder
from joint.train import main, train
from joint.trust.check import TrustCheck
from tests.joint.test_run import JOINT, change, tiny_run
from tests.joint.tiny_corpus import (
    PATIENT_PREFIX,
    PLANTED_WORD,
    STUDIES,
    TINY_CORPUS,
    grade_of,
    write_tiny,
)
from vision.intervals import paired_differences

SECTIONS = ("grades", "controls", "certainty", "findings", "retrieval", "prompts", "subgroups")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A joint run of the tiny corpus that knows a reference, with one of its two controls."""
    CORPORA["tiny"] = TINY_CORPUS
    home = tmp_path_factory.mktemp("planted-path")
    rows = [f"s{number},{grade_of(number)}" for number in range(STUDIES)]
    reference = home / "image.csv"
    reference.write_text("study_id,severity\n" + "\n".join(rows), encoding="utf-8")
    settings = tiny_run(write_tiny(home / "corpus"), home / "runs", task=JOINT)
    settings = change(settings, "evaluation", reference=reference)
    save_settings(settings, home / "run.yaml")
    train(home / "run.yaml", [])
    main([str(home / "run.yaml"), "--control", "image_only"])  # as a launcher does
    yield home
    del CORPORA["tiny"]


@pytest.fixture(scope="module")
def run(home):
    return home / "runs" / "tiny-run"


@pytest.fixture(scope="module")
def measures(run):
    return measure_run(run)


@pytest.fixture(scope="module")
def done(run, measures):
    result = CliRunner().invoke(joint_commands, ["evaluate", str(run)])
    assert result.exit_code == 0, result.output
    return result


def test_both_references_are_measured_and_named(run, done):
    for name, against in (("report", "report"), ("image", "reference")):
        record = json.loads((run / "evaluation" / name / "evaluation.json").read_text())
        assert record["against"] == against
    sections = json.loads((run / "evaluation" / "summary.json").read_text())["sections"]
    assert tuple(section["key"] for section in sections) == (*SECTIONS, "trust")
    rows = sections[0]["tables"][0]["rows"]
    assert list(rows) == ["the report's grade", "what the image shows"]
    assert rows["what the image shows"]["images"] > rows["the report's grade"]["images"]
    assert "p_image" in sections[0]["text"][0]
    assert list(sections[0]["tables"][1]["rows"])[:2] == [
        "the report's grade, before",
        "the report's grade, after",
    ]


def test_groups_that_are_too_small_do_not_show_their_number(run, done):
    sections = json.loads((run / "evaluation" / "summary.json").read_text())["sections"]
    row = sections[6]["tables"][0]["rows"]["view: PA"]
    assert (row["images"], row["auc_0v123"]) == ("under 30", "too small")


@pytest.mark.parametrize(
    ("asked", "references"),
    [("report", ["report"]), ("image", ["reference"]), (None, ["report", "reference"])],
)
def test_a_reference_can_be_chosen(run, asked, references):
    assert list(measure_run(run, reference=asked).evaluation.calibrated) == references


def test_an_unknown_reference_is_refused(run, home, tmp_path):
    with pytest.raises(PredictionsError, match="the reference table is missing"):
        measure_run(run, reference="reports.csv")
    bare = shutil.copytree(run, tmp_path / "bare")
    settings = change(RunFolder(run).read_settings(), "evaluation", reference=None)
    save_settings(settings, bare / "settings.yaml")
    with pytest.raises(PredictionsError, match=r"name no evaluation\.reference"):
        measure_run(bare, reference="image")


def test_a_control_is_compared_on_the_same_images(home, run, measures):
    found = {control.name: control for control in measures.controls}
    assert (found["image_only"].state, found["shuffled_pairs"].state) == ("compared", "absent")
    frames = [
        pd.read_parquet(home / "runs" / name / "predictions.parquet").query("split == 'test'")
        for name in ("tiny-run", "tiny-run-image-only")
    ]
    levels = frames[0]["study_id"].str.removeprefix("s").astype(int).map(grade_of)
    p, q = (frame[list(CALIBRATED)].to_numpy() for frame in frames)
    expected = paired_differences(
        p, q, levels.to_numpy(), frames[0]["patient_id"].tolist(), seed=0, resamples=20
    )
    for metric, interval in found["image_only"].differences["reference"].items():
        assert (interval is None) == (expected[metric] is None)
        if interval is not None:
            assert interval == pytest.approx(expected[metric])


def test_a_control_that_was_not_trained_is_said_with_its_command(run, done):
    page = (run / "evaluation" / "evaluation.html").read_text(encoding="utf-8")
    card = (run / "README.md").read_text(encoding="utf-8")
    command = "kerley train <run>/settings.yaml --control shuffled_pairs"
    for text in (page.replace("&lt;", "<").replace("&gt;", ">"), card):
        assert "shuffled pairs: no control was trained" in text
        assert command in text
    assert command.replace("<run>", str(run)) in done.output


def test_a_control_of_other_data_or_seed_is_none(home, run, tmp_path):
    settings = RunFolder(run).read_settings()
    grades = {"report": pd.Series({"s1": 1})}
    other = settings.model_copy(update={"seed": 5})
    assert compare_control(RunFolder(run), other, "image_only", grades).state == "absent"
    shutil.copytree(home / "runs", tmp_path / "runs")
    control = tmp_path / "runs" / "tiny-run-image-only"
    (control / "README.md").unlink()
    moved = RunFolder(tmp_path / "runs" / "tiny-run")
    assert compare_control(moved, settings, "image_only", grades).state == "unfinished"
    (control / "README.md").write_text("card", encoding="utf-8")
    for state in (control / "checkpoints").glob("step*/state.json"):
        text = json.loads(state.read_text(encoding="utf-8"))
        text["identity"]["labels"] = "0" * 64
        state.write_text(json.dumps(text), encoding="utf-8")
    assert compare_control(moved, settings, "image_only", grades).state == "other data"


def test_test_images_and_reports_lie_where_the_best_checkpoint_puts_them(run, measures):
    folder = RunFolder(run)
    settings = folder.read_settings()
    prepared = prepare_data(settings.data, build=False)
    made = embed_test_set(folder, settings, prepared, read_prompts())
    before = folder.embeddings.stat().st_mtime_ns
    again = embed_test_set(folder, settings, prepared, read_prompts())
    assert folder.embeddings.stat().st_mtime_ns == before
    assert np.array_equal(made.images, again.images)
    assert len(made.images) == len(prepared.rows("test"))
    assert np.linalg.norm(made.reports, axis=1) == pytest.approx(1, abs=1e-5)
    shown = prepared.images["study"].to_numpy()[prepared.rows("test")]
    texts = prepared.studies["text"].iloc[np.unique(shown)]
    assert len(made.reports) == len(texts)
    assert len(set(made.groups)) == texts.nunique() < len(texts)
    equal = [np.flatnonzero(made.groups == group) for group in set(made.groups)]
    for rows in equal:
        assert made.reports[rows] == pytest.approx(np.repeat(made.reports[rows[:1]], len(rows), 0))
    assert measures.retrieval[0].queries == len(texts)


def test_checkpoints_that_do_not_fit_are_said_and_left_out(run, tmp_path, caplog):
    broken = shutil.copytree(run, tmp_path / "broken", symlinks=True)
    (broken / "embeddings.npz").unlink(missing_ok=True)
    for weights in (broken / "checkpoints").rglob("model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-4])
    found = measure_run(broken)
    assert isinstance(found.retrieval, NotMeasured)
    assert "cannot be read here" in found.retrieval.reason
    assert "model.safetensors" in caplog.text


def test_without_its_corpus_a_run_is_still_evaluated_and_says_what_is_missing(run, tmp_path):
    lone = shutil.copytree(run, tmp_path / "lone", symlinks=True)
    settings = change(RunFolder(run).read_settings(), "data", root=tmp_path / "gone")
    save_settings(settings, lone / "settings.yaml")
    arguments = ["evaluate", str(lone), "--reference", "report"]
    result = CliRunner().invoke(joint_commands, arguments)
    assert result.exit_code == 0, result.output
    for part in ("Retrieval", "Zero-shot by prompts", "Subgroups", "Trust report"):
        assert f"{part}: not measured. The corpus" in result.output
    assert "gone" not in (lone / "evaluation" / "evaluation.html").read_text(encoding="utf-8")


def test_an_image_only_run_reads_no_words_and_has_no_controls(home):
    found = measure_run(home / "runs" / "tiny-run-image-only")
    assert found.controls.reason.startswith("an image-only run reads no words")
    assert found.prompts == NotMeasured("an image-only run reads no words")
    assert found.retrieval == found.prompts


def test_page_card_and_numbers_hold_nothing_private(run, done):
    files = [*(run / "evaluation").rglob("*"), run / "README.md", run / "card.json"]
    texts = [file for file in files if file.suffix in {".html", ".json", ".md", ".svg"}]
    assert len(texts) > 10
    ids = {f'"s{number}"' for number in range(STUDIES)} | {f">s{n}<" for n in range(STUDIES)}
    for file in texts:
        text = file.read_text(encoding="utf-8")
        for secret in (PLANTED_WORD, PLANTED_WORD.lower(), PATIENT_PREFIX, "planted-path", *ids):
            assert secret not in text, (file.name, secret)


def test_the_card_has_the_form_of_the_hub_and_the_numbers_of_the_run(run, done, measures):
    card = ModelCard((run / "README.md").read_text(encoding="utf-8"))
    metrics = {one.metric_name: one.metric_value for one in card.data.eval_results}
    value = measures.evaluation.calibrated["reference"]["auc_0v123"]
    assert metrics["AUC 0v123 against what the image shows"] == pytest.approx(
        getattr(value, "value", value), abs=1e-4
    )
    assert card.data.pipeline_tag == "image-classification"
    titles = [line for line in card.text.splitlines() if line.startswith("## ")]
    assert {"## Controls", "## Retrieval", "## Subgroups", "## Trust report"} <= set(titles)
    assert "Not measured yet" not in card.text
    front = (run / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    assert yaml.safe_load(front)["license"] == "other"


def test_a_card_without_an_evaluation_says_so(home, tmp_path):
    card = home / "runs" / "tiny-run-image-only" / "README.md"
    assert "Not measured yet: controls" in card.read_text(encoding="utf-8")


def test_training_again_keeps_the_evaluation_of_the_same_predictions(home, run, done):
    before = (run / "README.md").read_text(encoding="utf-8")
    train(home / "run.yaml", [])
    assert (run / "README.md").read_text(encoding="utf-8") == before


def test_another_question_leaves_the_card_alone(run, done, tmp_path):
    before = (run / "README.md").stat().st_mtime_ns
    arguments = ["evaluate", str(run), "--reference", "report", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(joint_commands, [*arguments, "--controls", "image_only"])
    assert result.exit_code == 0, result.output
    assert (run / "README.md").stat().st_mtime_ns == before
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"report", "evaluation.html"}
    assert not (tmp_path / "out" / "image").exists()
    assert "shuffled pairs: not asked for." in result.output


def test_the_page_shows_every_section_in_a_browser(browser_page, run, done):
    browser_page.set_viewport_size({"width": 800, "height": 900})
    browser_page.goto((run / "evaluation" / "evaluation.html").as_uri())
    found = browser_page.eval_on_selector_all("section", "all => all.map(s => s.id)")
    assert found == ["summary", *SECTIONS, "trust", "run", "limits"]
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 800
    widths = browser_page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) > 3
    assert min(widths) > 100


def test_a_corrected_run_says_which_prediction_is_held_against_what(measures):
    corrected = replace(measures, evaluation=replace(measures.evaluation, is_corrected=True))
    section = describe_sections(corrected, {})[0]
    assert list(section.tables[0].rows) == [
        "the report's grade (p_report)",
        "what the image shows (p_image)",
    ]
    assert "p_report = p_image · T" in section.text[0]


def test_a_leak_ends_the_command_with_an_error(run, tmp_path, monkeypatch):
    leak = TrustCheck("Patients apart", "error", "2 of 20 patients are in more than one split", "")
    monkeypatch.setattr("joint.evaluation.run.check_trust", lambda *_, **__: (leak,))
    arguments = ["evaluate", str(run), "--reference", "report", "--out", str(tmp_path)]
    result = CliRunner().invoke(joint_commands, arguments)
    assert result.exit_code == 1
    assert "Patients apart: error; 2 of 20 patients" in result.output


def test_sections_are_read_back_as_they_were_written(run, done, tmp_path):
    record = json.loads((run / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    facts = {name: record[name] for name in ("predictions", "is_default")}
    sections = read_sections(run / "evaluation", facts)
    write_sections(tmp_path, sections, facts)
    assert read_sections(tmp_path, facts) == sections
    assert read_sections(tmp_path, {**facts, "predictions": "other"}) is None
