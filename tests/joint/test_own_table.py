"""A run on a user's own table: pairs, reports without a grade, and images with labels alone."""

from __future__ import annotations

import csv
import json

import pytest

from joint.metrics_log import MetricsLog
from joint.prepare import PreparationError, prepare_data
from joint.run import run_training
from joint.run_settings import DataSettings, RunSettings
from tests.joint.tiny import TOWER, joint_settings
from tests.joint.tiny_corpus import STUDIES, grade_of, read_tiny, write_tiny
from text_labeler.combine_command import combine
from text_labeler.mine_command import mine
from vision.cache import CacheSettings

SHARES = {"size": 9, "labelled_share": 0.34, "image_only_share": 0.34, "length_window": 2}


def write_table(root, *, graded_view="PA"):
    """Every third study has no report; of the others every fourth says nothing of edema."""
    table = root / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study_id", "patient_id", "report", "image_path", "view", "sex", "age"])
        for number, study in enumerate(read_tiny(root).studies):
            report = study["report"] if number % 3 else ""
            image, view = f"study-{number}.png", graded_view if number % 4 else "PA"
            writer.writerow([f"s{number}", f"p{number // 2}", report, image, view, "F", 60])
    return table


def test_three_sources_of_one_table_are_trained_on(tmp_path):
    root = write_tiny(tmp_path / "corpus")
    table, mined, given = write_table(root), tmp_path / "mined.parquet", tmp_path / "given.csv"
    mine(str(table), out=mined)
    rows = [f"s{n},{grade_of(n)}" for n in range(STUDIES) if n % 3 == 0]
    given.write_text("\n".join(["study_id,edema_severity", *rows]) + "\n")
    combine([str(mined), str(given)], out=tmp_path / "combined.parquet")
    task = joint_settings(sections="drawn").model_dump(mode="json") | {"batches": SHARES}
    settings = RunSettings.model_validate_json(json.dumps({
        "name": "own",
        "out": str(tmp_path / "runs"),
        "data": {
            "corpus": "report_table",
            "root": str(table),
            "work": str(tmp_path / "work"),
            "labels": {"kind": "table", "path": str(tmp_path / "combined.parquet")},
            "cache": {"size": 32},
        },
        "task": task | {"tower": TOWER.model_dump(mode="json")},
        "loop": {"steps": 4, "evaluate_every": 4, "log_every": 1},
        "tracking": {"wandb": "disabled"},
        "evaluation": {"resamples": 20},
    }))  # fmt: skip
    result = run_training(settings)
    rows = [row for row in MetricsLog(result.folder.metrics).rows() if row["kind"] == "train"]
    for loss in ("severity", "findings", "text_severity", "contrastive", "distillation"):
        assert max(row[f"loss_{loss}"] for row in rows) > 0, loss
    assert result.folder.grader.is_dir()


def test_graded_studies_with_lateral_images_alone_are_one_clear_message(tmp_path):
    """Without it a plan of no batch is walked for ever."""
    table = write_table(write_tiny(tmp_path / "corpus"), graded_view="LATERAL")
    cache, work = CacheSettings(size=32), tmp_path / "work"
    settings = DataSettings(corpus="report_table", root=table, work=work, cache=cache)
    with pytest.raises(PreparationError, match=r"readable frontal image.* 30 lateral"):
        prepare_data(settings)
