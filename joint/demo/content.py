"""What the demo found, as tables, figures and sentences: nothing here is written by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.label_table import read_manifest
from joint.demo.figures import draw_demo
from joint.demo.labels import describe_label_worth, sample_labels
from joint.demo.record import DemoRecord, TestGrades
from joint.metrics_log import MetricsLog
from joint.report_content import Cell, Command, Highlight, ReportContent, ResultTable
from joint.training.settings import hash_training
from vision.intervals import Interval, paired_differences

SHOWN = (
    "auc_0v123",
    "auc_01v23",
    "auc_012v3",
    "macro_f1",
    "quadratic_kappa",
    "accuracy",
    "mean_absolute_error",
    "ece",
)
HEADLINE = "auc_0v123"


def describe_demo(record: DemoRecord) -> ReportContent:
    """Measure, compare and draw what the demo made, for `write_html_report`."""
    grades = TestGrades.of(record)
    joint, *controls = record.arms
    resamples = record.settings.evaluation.resamples
    differences = {
        f"{joint} − {control}": paired_differences(
            grades.calibrated[joint],
            grades.calibrated[control],
            grades.levels,
            grades.patients,
            seed=record.settings.seed,
            resamples=resamples,
        )
        for control in controls
    }
    results = _describe_results(record)
    log = {name: list(MetricsLog(r.folder.metrics).rows()) for name, r in record.arms.items()}
    return ReportContent(
        title="Grading pulmonary edema on the phantom: from reports to a grader",
        summary=_summarise(record, results[0], differences),
        highlights=_pick_highlights(record, results[0], differences),
        corpus_facts=_count_corpus(record),
        label_sample=sample_labels(record.listing, record.labels, record.truth),
        label_worth=describe_label_worth(record.labels, record.truth),
        results=results,
        differences=(
            ResultTable(
                "Joint model minus a control, against the true grade",
                {pair: _pick(values) for pair, values in differences.items()},
                note="Paired, over patients, of one training seed. The words add what is left over"
                " shuffled pairs.",
                row_heading="Difference",
                kind="differences",
            ),
        ),
        figures=draw_demo(record, grades, differences, log),
        run_facts=_state_run(record, grades.calibrated[joint]),
        commands=_list_commands(record),
        files={
            "report.html": "this page",
            "grades.csv": "test images graded from their files by the saved grader",
            "corpus/": "the phantom; its truth lies apart in `corpus/truth/`",
            "work/": "the mined label table with its manifest, and the image cache",
            "arms/": "one run folder per arm: settings, checkpoints, metrics, model card, grader",
        },
    )


def _describe_results(record: DemoRecord) -> tuple[ResultTable, ...]:
    tables = []
    for reference, title, note in (
        (
            "reference",
            "Against the true grade of the image",
            "All arms saw the same images and mined labels for the same number of steps.",
        ),
        (
            "report",
            "Against the grade that the report gives",
            "Only test images whose report states a grade. A model that reads the image better"
            " than the reporter did cannot score high here.",
        ),
    ):
        rows = {
            name: _pick(result.evaluation.calibrated[reference])
            for name, result in record.arms.items()
            if result.evaluation is not None
        }
        tables.append(ResultTable(title, rows, note=note))
    return tuple(tables)


def _summarise(
    record: DemoRecord,
    results: ResultTable,
    differences: Mapping[str, Mapping[str, Interval | None]],
) -> tuple[str, ...]:
    joint, *controls = record.arms
    ours, control = results.rows[joint][HEADLINE], results.rows[controls[0]][HEADLINE]
    mined = int(record.labels["edema_severity"].notna().sum())
    lines = [
        f"{len(record.labels):,} reports were read; in {mined:,} of them a grade of edema was"
        " found, with the words that give it. On these labels, and on the pairs without one,"
        " a joint model was trained; it grades images it has never seen, from the image alone.",
        f"Against the true grade its AUC for any edema is {_say(ours)}; the image-only control,"
        f" trained on the same images and labels, reaches {_say(control)}.",
    ]
    for pair, values in differences.items():
        difference = values[HEADLINE]
        if difference is not None:
            lines.append(f"{pair}: {_say(difference, signed=True)} AUC, {_judge(difference)}.")
    return tuple(lines)


def _pick_highlights(
    record: DemoRecord,
    results: ResultTable,
    differences: Mapping[str, Mapping[str, Interval | None]],
) -> tuple[Highlight, ...]:
    joint = next(iter(record.arms))
    ours = results.rows[joint]
    tiles = [Highlight(_number(ours[HEADLINE]), "AUC, any edema", f"{joint} model, image alone")]
    for pair, values in differences.items():
        difference = values[HEADLINE]
        if difference is not None:
            value, ends = _say(difference, signed=True).split(" ", 1)
            tiles.append(Highlight(value, f"AUC, {pair}", f"95 % interval {ends}"))
    tiles.append(Highlight(_number(ours["ece"]), "calibration error", "after calibration"))
    minutes, seconds = divmod(round(sum(record.seconds.values())), 60)
    tiles.append(Highlight(f"{minutes} min {seconds} s", "the whole way", "from reports to page"))
    return tuple(tiles)


def _count_corpus(record: DemoRecord) -> dict[str, str | int | float]:
    studies, truth = record.listing.studies, record.truth
    splits = pd.Series(studies["split"][:]).value_counts()
    mined = record.labels["edema_severity"].notna()
    agree = (truth["severity"] == truth["reported_severity"]).mean()
    return {
        "Patients": len(set(studies["patient_id"][:])),
        "Studies": len(studies),
        "Images": sum(map(len, studies["images"][:])),
        "Image size": f"{record.phantom.size} × {record.phantom.size} px",
        "Training / validation / test studies": " / ".join(
            f"{splits[name]:,}" for name in ("train", "validate", "test")
        ),
        "Reports from which a grade was mined": f"{mined.sum():,} ({mined.mean():.0%})",
        "Reporter's grade equals the image's": f"{agree:.0%}",
        "Seed": record.phantom.seed,
    }


def _state_run(record: DemoRecord, calibrated: NDArray[np.float64]) -> dict[str, str | int | float]:
    import torch

    manifest = read_manifest(record.label_path)
    evaluation = record.settings.evaluation
    anchors = "all" if evaluation.anchors is None else str(evaluation.anchors)
    calibration = {
        "report": "the mined grades of validation studies",
        "reference": f"the true grades of {anchors} validation studies, as a panel would read them",
    }[evaluation.calibrate_on]
    stages = ", ".join(f"{name} {seconds:.0f}" for name, seconds in record.seconds.items())
    return {
        "Settings": hash_training(record.settings)[:16],
        "Corpus listing": record.listing.content_hash[:16],
        "Label table": manifest.table_hash[:16],
        "Rules of the labeler": manifest.rules_hash[:16],
        "Calibrated on": calibration,
        "Test images": len(calibrated),
        "Optimizer steps per arm": record.settings.loop.steps,
        "Threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "Seconds by stage": stages,
    }


def _list_commands(record: DemoRecord) -> tuple[Command, ...]:
    folder = record.settings.out.parent
    joint = record.arms[next(iter(record.arms))].folder.path
    corpus = record.listing.root
    truth = corpus / "truth" / "studies.parquet"
    return (
        Command("make demo", "this page and everything beside it"),
        Command(
            f"kerley mine phantom --root {corpus} --out {folder}/labels.parquet",
            "the label table alone",
        ),
        Command(f"kerley score {folder}/labels.parquet {truth}", "what the mined labels are worth"),
        Command(f"kerley train {joint}/settings.yaml", "the joint arm alone, from its settings"),
        Command(f"kerley evaluate {joint} --reference {truth}", "the joint arm's column above"),
        Command(
            f"kerley grade {joint}/grader {corpus}/images --out grades.csv",
            "grades for any image or folder",
        ),
    )


def _pick(values: Mapping[str, Interval | float | None]) -> dict[str, Cell]:
    return {name: values[name] for name in SHOWN}


def _say(value: Cell, *, signed: bool = False) -> str:
    if isinstance(value, Interval):
        form = "+.3f" if signed else ".3f"
        return f"{value.value:{form}} [{value.low:{form}}, {value.high:{form}}]".replace("-", "−")
    return _number(value)


def _number(value: Cell) -> str:
    number = value.value if isinstance(value, Interval) else value
    return "not defined" if number is None else f"{number:.3f}"


def _judge(difference: Interval) -> str:
    if difference.low > 0:
        return "a gain that the choice of test patients does not explain"
    if difference.high < 0:
        return "a loss that the choice of test patients does not explain"
    return "within what the choice of test patients explains"
