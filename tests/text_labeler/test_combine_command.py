"""The command `kerley combine`, run as a user runs it, and what it writes."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import kerley
from data_cards.label_table import (
    LabelTableError,
    manifest_path,
    read_label_table,
    read_manifest,
    write_manifest,
)
from joint.targets import finding_targets, severity_targets
from text_labeler.combining import CombineError
from text_labeler.command_error import CommandError
from text_labeler.labeler_analysis import AnalysisError
from vision.uncertain_labels import SoftSettings

STUDIES = 300


def _invoke(*arguments):
    result = CliRunner().invoke(kerley.app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _run(*arguments):
    result = _invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three noisy CSV labelers, a mined table, and reads of 60 studies, all of one corpus."""
    folder = tmp_path_factory.mktemp("combine")
    rng = np.random.default_rng(0)
    truth = rng.choice(4, STUDIES, p=(0.5, 0.2, 0.2, 0.1))
    ids = [f"s{n}" for n in range(STUDIES)]
    words = ["No pulmonary edema.", "Pulmonary vascular congestion.", "Interstitial edema."]
    words.append("Alveolar edema.")
    reports = pd.DataFrame({"study_id": ids, "report": [words[grade] for grade in truth]})
    reports.to_csv(folder / "reports.csv", index=False)
    for name, accuracy in (("llm", 0.9), ("regex", 0.7), ("old", 0.6)):
        right = rng.random(STUDIES) < accuracy
        votes = np.where(right, truth, (truth + rng.integers(1, 4, STUDIES)) % 4)
        table = pd.DataFrame({"study_id": ids, "Edema": votes > 0, "edema_severity": votes})
        table["Edema"] = table["Edema"].astype(float)
        table[: STUDIES - 20].to_csv(folder / f"{name}.csv", index=False)
    reads = pd.DataFrame({"study_id": ids, "edema_severity": truth})
    reads[:60].to_csv(folder / "reads.csv", index=False)
    _run("mine", folder / "reports.csv", "--out", folder / "mined.parquet")
    return folder, truth


def test_combines_and_trains(files, tmp_path):
    folder, truth = files
    out = tmp_path / "combined.parquet"
    labels = [folder / "mined.parquet", *(folder / f"{name}.csv" for name in ("llm", "regex"))]
    output = _run(
        "combine", *labels, f"last-year={folder / 'old.csv'}", "--out", out,
        "--audited", folder / "reads.csv", "--same-rules", "regex, last-year",
    )  # fmt: skip
    assert "4 labelers: mined, llm, regex, last-year" in output
    assert "llm: 20 of the studies are not in its file; it abstains there" in output
    assert "audited: 60 of 60 studies read are here" in output
    table = read_label_table(out)
    assert (table["edema_severity"][:60] == truth[:60]).all()
    right = (table["edema_severity"] == truth).mean()
    assert right > 0.9
    severity = severity_targets(table)
    assert severity.known.all()
    assert severity.values[:, 0] == pytest.approx(table["edema_p0"], abs=1e-6)
    edema = finding_targets(table, ["Edema"], uncertain=SoftSettings(), seed=0)
    assert edema.values[:, 0] == pytest.approx(table["Edema_p"], abs=1e-6)
    assert table["evidence"].str.len().min() > 0
    manifest = read_manifest(out)
    assert [(one.kind, one.name) for one in manifest.parents] == [
        ("label table", "mined.parquet"),
        ("label file", "llm.csv"),
        ("label file", "regex.csv"),
        ("label file", "old.csv"),
        ("audited reads", "reads.csv"),
    ]
    assert manifest.corpus == read_manifest(folder / "mined.parquet").corpus
    assert manifest.parameters["settings"]["same_rules"] == [["regex", "last-year"]]


def test_analyses_without_writing_a_table(files, tmp_path):
    folder, _ = files
    page, rows = tmp_path / "analysis.html", tmp_path / "rows.csv"
    labels = [folder / f"{name}.csv" for name in ("llm", "regex", "old")]
    output = _run(
        "combine", *labels, "--analyse", "--html", page, "--rows", rows,
        "--audited", folder / "reads.csv",
    )  # fmt: skip
    assert "Labelers (280 studies)" in output
    assert "<html" in page.read_text(encoding="utf-8")
    assert rows.read_text(encoding="utf-8").startswith("column,labeler,studies,votes_0,votes_1")
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["analysis.html", "rows.csv", "rows_pairs.csv"]


def test_snorkel_matrices_go_out_and_come_in(files, tmp_path):
    folder, _ = files
    labels = [folder / f"{name}.csv" for name in ("llm", "regex", "old")]
    _run("combine", *labels, "--snorkel", tmp_path, "--out", tmp_path / "direct.parquet")
    matrices = sorted(tmp_path.glob("*.npz"))
    assert [path.stem for path in matrices] == ["Edema", "edema_severity"]
    _run("combine", *matrices, "--out", tmp_path / "again.parquet")
    direct, again = (read_label_table(tmp_path / f"{name}.parquet") for name in ("direct", "again"))
    pd.testing.assert_frame_equal(direct, again)


def test_warns_of_label_tables_of_two_corpora(files, tmp_path):
    folder, _ = files
    reports = pd.read_csv(folder / "reports.csv")
    reports[:9].to_csv(tmp_path / "few.csv", index=False)
    _run("mine", tmp_path / "few.csv", "--out", tmp_path / "few.parquet")
    shutil.copy(tmp_path / "few.parquet", tmp_path / "other.parquet")
    other = read_manifest(tmp_path / "few.parquet").model_copy(update={"corpus": "another"})
    write_manifest(tmp_path / "other.parquet", other)
    for name, said in (("few", "another state of the corpus"), ("other", "the corpus another")):
        output = _run(
            "combine", folder / "mined.parquet", tmp_path / f"{name}.parquet", "--analyse"
        )
        assert f"warning: {name}.parquet is of {said}" in output
    output = _run("combine", tmp_path / "few.parquet", "--analyse")
    assert "study id may mean" not in output


def test_warns_of_labelers_with_no_study_in_common(files, tmp_path):
    folder, _ = files
    (tmp_path / "other.csv").write_text("study_id,Edema\nx1,1\nx2,0\n")
    output = _run(
        "combine", folder / "llm.csv", tmp_path / "other.csv", "--out", tmp_path / "t.parquet"
    )
    assert "warning: llm and other have no study in common" in output


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["{llm}"], CommandError, "nothing to do"),
        (["{llm}", "--out", "{folder}/t.csv"], CombineError, "expected a name that ends .parquet"),
        (["{mined}", "--out", "{mined}"], CombineError, "is one of the files to combine"),
        (["{llm}", "--rows", "{folder}/rows.txt"], AnalysisError, "ends in .json or .csv"),
        (["{llm}", "--html", "{llm}"], CombineError, "llm.csv: is one of the files to combine"),
        (["{llm}", "--rows", "{llm}"], CombineError, "llm.csv: is one of the files to combine"),
        (["{llm}", "{pairs}", "--rows", "{rows}"], CombineError, "rows_pairs.csv: is one of the"),
        (["{llm}", "--audited", "{regex}", "--html", "{regex}"], CombineError, "regex.csv: is one"),
        (["{llm}", "--html", "{rows}", "--rows", "{rows}"], CombineError, "or named twice"),
        (["{npz}", "--snorkel", "{folder}"], CombineError, "holds matrices to combine"),
        (["{llm}", "--analyse", "--audited", "{llm}"], CombineError, "cannot be a labeler too"),
        (["{altered}", "--analyse"], LabelTableError, "its bytes differ"),
        (["{llm}", "--analyse", "--same-rules", "llm,x"], CombineError, "no labeler 'x'"),
        (["{llm}", "--analyse", "--audited", "{foreign}"], CombineError, "reads of no study"),
    ],
)
def test_refuses_what_cannot_be_done(files, tmp_path, arguments, error, message):
    folder, _ = files
    (tmp_path / "foreign.csv").write_text("study_id,Edema\nz,1\n")
    names = {
        "llm": folder / "llm.csv",
        "mined": folder / "mined.parquet",
        "foreign": tmp_path / "foreign.csv",
        "folder": tmp_path,
        "regex": folder / "regex.csv",
        "rows": tmp_path / "rows.csv",
        "pairs": shutil.copy(folder / "regex.csv", tmp_path / "rows_pairs.csv"),
        "npz": tmp_path / "edema.npz",
        "altered": tmp_path / "altered.parquet",
    }
    shutil.copy(manifest_path(folder / "mined.parquet"), manifest_path(names["altered"]))
    pd.read_parquet(folder / "mined.parquet")[:9].to_parquet(names["altered"])
    with pytest.raises(error, match=message):
        _invoke("combine", *(argument.format(**names) for argument in arguments))


def test_a_table_with_studies_of_another_corpus_names_none(files, tmp_path):
    folder, _ = files
    other, out = tmp_path / "other.csv", tmp_path / "combined.parquet"
    other.write_text("study_id,Edema\nelsewhere,1\n")
    _run("combine", folder / "mined.parquet", folder / "llm.csv", other, "--out", out)
    manifest = read_manifest(out)
    assert (manifest.corpus, manifest.corpus_hash) == ("", "")
