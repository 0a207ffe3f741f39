"""What an evaluation says, section by section: tables and sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joint.evaluation.controls import CONTROLS, ControlComparison
from joint.evaluation.groups import (
    describe_prompts,
    describe_retrieval,
    describe_subgroups,
    describe_trust,
)
from joint.evaluation.run import RunMeasures
from joint.evaluation.sections import (
    EvaluationSection,
    NotMeasured,
    name_reference,
    not_measured,
)
from joint.report_content import Cell, ResultTable
from vision.intervals import Interval
from vision.metrics import METRIC_LABELS

HEADLINE = "auc_0v123"
COMPARED = (
    *("auc_0v123", "auc_01v23", "auc_012v3", "macro_f1", "quadratic_kappa", "accuracy"),
    *("mean_absolute_error", "ece"),
)
PROBABILITIES = (
    *("ece", "ece_equal_mass", "ece_cumulative", "brier", "ranked_probability_score"),
    "mean_absolute_error",
)
"""Metrics that judge the stated probabilities and not only the most probable grade."""

SHARES_GRADED = (1.0, 0.9, 0.8, 0.5)
RUN_PLACEHOLDER = "<run>"

Records = Mapping[str, Mapping[str, Any]]
"""By reference, the record that `vision.evaluation.evaluate_graded` gave."""


def describe_sections(measures: RunMeasures, records: Records) -> tuple[EvaluationSection, ...]:
    """Describe everything that was measured, and by name what was not."""
    return (
        _describe_grades(measures),
        _describe_controls(measures),
        _describe_certainty(measures, records),
        _describe_findings(measures),
        describe_retrieval(measures.retrieval),
        describe_prompts(measures.prompts),
        describe_subgroups(measures.subgroups),
        describe_trust(measures.trust),
    )


def _describe_grades(measures: RunMeasures) -> EvaluationSection:
    evaluation = measures.evaluation
    rows: dict[str, Mapping[str, Cell]] = {}
    for reference, values in evaluation.calibrated.items():
        known = {name: values[name] for name in METRIC_LABELS}
        rows[_name_row(measures, reference)] = {
            "images": evaluation.images[reference],
            **known,
        }
    table = ResultTable(
        "Severity on test images, after calibration",
        rows,
        note="A dash: the test images do not define it, or too few patients do for an interval.",
        row_heading="Against",
        kind="plain",
    )
    if evaluation.is_corrected:
        said = (
            "This run corrects from report to image: the report's grade is held against p_report ="
            " p_image · T, which is not calibrated, and what the image shows against p_image."
        )
    else:
        said = (
            "No report→image correction: one prediction, p_image, is held against every reference."
            " Against the report's grade the numbers are agreement with reports, not accuracy."
        )
    lines = [said]
    if "reference" not in evaluation.calibrated:
        lines.append(
            "Held against what the image shows: not measured. No such reference was given."
        )
    if "report" not in evaluation.calibrated:
        lines.append("Held against the report's grade: not asked for.")
    tables = (table, _compare_calibration(measures))
    return EvaluationSection("grades", "Grades of edema", tuple(lines), tables)


def _compare_calibration(measures: RunMeasures) -> ResultTable:
    rows: dict[str, Mapping[str, Cell]] = {}
    evaluation = measures.evaluation
    for reference in evaluation.calibrated:
        against = name_reference(reference)
        for when, tables in (("before", evaluation.raw), ("after", evaluation.calibrated)):
            rows[f"{against}, {when}"] = {name: tables[reference][name] for name in PROBABILITIES}
    trusted = measures.settings.evaluation.calibrate_on
    return ResultTable(
        "Probabilities before and after calibration",
        rows,
        note=f"Calibration is fitted to the {trusted}'s grades of validation images, where it"
        " grades them better in cross-validation; else both are the same.",
        row_heading="Against",
        kind="plain",
    )


def _name_row(measures: RunMeasures, reference: str) -> str:
    if not measures.evaluation.is_corrected:
        return name_reference(reference)
    return f"{name_reference(reference)} ({'p_report' if reference == 'report' else 'p_image'})"


def _describe_controls(measures: RunMeasures) -> EvaluationSection:
    title, found = "Controls", measures.controls
    if isinstance(found, NotMeasured):
        return EvaluationSection("controls", title, (not_measured("Controls", found),))
    asked = [control.name for control in found]
    lines = [_say_control(control) for control in found]
    lines += [f"{CONTROLS[name].label}: not asked for." for name in CONTROLS if name not in asked]
    compared = [control for control in found if control.state == "compared"]
    tables = []
    for reference, values in measures.evaluation.calibrated.items():
        rows: dict[str, Mapping[str, Cell]] = {"this run": _pick(values)}
        gaps: dict[str, Mapping[str, Cell]] = {}
        for control in compared:
            if reference in control.differences:
                rows[control.label] = _pick(control.metrics[reference])
                gaps[f"this run − {control.label}"] = _pick(control.differences[reference])
        if gaps:
            against = name_reference(reference)
            tables += [
                ResultTable(f"This run and its controls, against {against}", rows),
                ResultTable(
                    f"Differences, against {against}",
                    gaps,
                    note="Paired on the same images, drawing whole patients, of one training seed."
                    " Bold: the interval leaves zero out.",
                    row_heading="Difference",
                    kind="differences",
                ),
            ]
    return EvaluationSection("controls", title, tuple(lines), tuple(tables))


def _say_control(control: ControlComparison) -> str:
    name, question = control.label, CONTROLS[control.name].question
    command = f"`{control.command(RUN_PLACEHOLDER)}`"
    return {
        "compared": f"{name}: trained on the same data with the same seed and steps; the difference"
        f" is {question}.",
        "absent": f"{name}: no control was trained, so nothing here says {question}. {command}"
        " trains it.",
        "unfinished": f"{name}: no control was trained to its end. {command} goes on with it.",
        "other data": f"{name}: the control beside this run was trained on other data, so it is not"
        f" compared. {command} trains one on the same.",
    }[control.state]


def _pick(values: Mapping[str, Interval | float | None]) -> dict[str, Cell]:
    return {name: values.get(name) for name in COMPARED}


def _describe_certainty(measures: RunMeasures, records: Records) -> EvaluationSection:
    rows: dict[str, Mapping[str, Cell]] = {}
    likely, lines = [], []
    for reference, record in records.items():
        against = name_reference(reference)
        rows[against] = {
            f"{share:.0%} graded": _risk_at(record["risk_coverage"], share)
            for share in SHARES_GRADED
        }
        if "coverage" in record:
            likely.append(_tabulate_coverage(record, against, measures))
        if "risk_threshold" in record:
            lines.append(_say_threshold(record["risk_threshold"], against))
    selective = ResultTable(
        "Wrong grades among the most confident images",
        rows,
        note="Share of wrong grades when only the surest images are graded.",
        row_heading="Against",
        kind="plain",
    )
    if not likely:
        lines.append("Likely grades: not measured. Too few validation patients have a grade.")
    return EvaluationSection("certainty", "When to withhold", tuple(lines), (selective, *likely))


def _tabulate_coverage(
    record: Mapping[str, Any], against: str, measures: RunMeasures
) -> ResultTable:
    rows: dict[str, Mapping[str, Cell]] = {}
    for row in record["coverage"]:
        ends = row["low"], row["high"]
        rows[_name_group(row["group"], row["value"])] = {
            "images": row["images"],
            "holds it": Interval(row["coverage"], *ends, row["images"], row["patients"]),
            "mean number of grades": row["mean_size"],
        }
    trusted = measures.settings.evaluation.calibrate_on
    return ResultTable(
        f"How often the range of likely grades holds {against}"
        f" (wanted: {1 - record['sets']['alpha']:.0%})",
        rows,
        note=f"Conformal sets, from the {trusted}'s grades of validation images: the promise is"
        " about grades like those, for all images together and not for each group.",
        row_heading="Images",
        kind="plain",
    )


def _name_group(group: str, value: str) -> str:
    """Name a row of `coverage_by_group`; a grade is true only where images are the reference."""
    names = {"all": "all images", "true grade": f"graded {value}"}
    return names.get(group, f"{group}: {value}")


def _say_threshold(threshold: Mapping[str, Any], against: str) -> str:
    wrong = threshold["wrong_here"]
    return (
        f"For at most {threshold['target_risk']:.0%} wrong grades, those below a confidence of"
        f" {threshold['least_confidence']:.3f} are withheld; held against {against}, here"
        f" {threshold['graded_here']:.0%} are graded"
        + ("." if wrong is None else f", {wrong:.1%} of them wrongly.")
    )


def _risk_at(curve: Mapping[str, Sequence[float]], share: float) -> float | None:
    """Give the risk of the smallest graded part that is at least `share` of the images."""
    reached = [
        risk
        for part, risk in zip(curve["coverage"], curve["risk"], strict=True)
        if part >= share - 1e-9
    ]
    return reached[0] if reached else None


def _describe_findings(measures: RunMeasures) -> EvaluationSection:
    if not measures.findings:
        return EvaluationSection("findings", "Findings", ("Findings: this run was taught none.",))
    rows: dict[str, Mapping[str, Cell]] = {}
    for name, values in measures.findings.items():
        counts: dict[str, Cell] = {"labelled": values["n"], "present": values["positives"]}
        rows[name] = counts | {head: values[metric] for metric, head in FINDING_HEADS.items()}
    table = ResultTable(
        "Findings, against what the report says", rows, row_heading="Finding", kind="plain"
    )
    said = "Only images whose report affirms or denies the finding; a hedged one is left out."
    return EvaluationSection("findings", "Findings", (said,), (table,))


FINDING_HEADS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "sensitivity_at_specificity": "sensitivity at 95 % specificity",
    "ece": "ECE",
}
