"""What the demo's mined labels are worth against the known truth, and a sample to read."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from markupsafe import Markup

from data_cards.findings import FINDINGS
from data_cards.label_table import SEVERITY_PROBABILITY_COLUMNS
from data_cards.study import Listing
from joint.report_content import Cell, LabeledReport, ResultTable
from text_labeler.highlight import highlight
from text_labeler.labeler import Evidence
from text_labeler.score_levels import SeverityScores, score_severity
from text_labeler.scoring import score_findings

REPORTED_SUFFIX = "_reported"
FEWEST_FOR_A_ROW = 10
"""A finding that fewer reports state is left out of the table: its scores say nothing."""


def describe_label_worth(labels: pd.DataFrame, truth: pd.DataFrame) -> tuple[ResultTable, ...]:
    """Score mined grades against report and image, and mined findings against the report."""
    stated = truth["states_severity"].to_numpy(bool)
    reported = truth[["study_id"]].assign(severity=truth["reported_severity"].where(stated))
    said = score_severity(labels, reported, group="not stated")
    shown = score_severity(labels, truth[["study_id", "severity"]])
    grades = ResultTable(
        "Mined grade of edema",
        {"what the report states": _grade_row(said), "what the image shows": _grade_row(shown)},
        note="The first line is the labeler's own error; the second adds what the reporter"
        " misjudged. Coverage: the share of studies that were given a grade. Accuracy and κ: of"
        " studies with both grades; in macro-F1 a grade not given counts as missed.",
        row_heading="Against",
        kind="plain",
    )
    names = {f"{name}{REPORTED_SUFFIX}": name for name in FINDINGS}
    stated_findings = truth[["study_id", *(c for c in names if c in truth)]].rename(columns=names)
    scores = score_findings(labels, stated_findings)
    rows: dict[str, dict[str, Cell]] = {
        score.finding: _finding_row(score.support, score.precision, score.recall, score.f1)
        for score in (*scores.scores, scores.micro)
        if score.support >= FEWEST_FOR_A_ROW
    }
    findings = ResultTable(
        "Mined findings, against what the report says is present",
        rows,
        note=f"Findings that at least {FEWEST_FOR_A_ROW} reports state; a hedged finding is not"
        " counted as present on either side.",
        row_heading="Finding",
        kind="plain",
    )
    return (grades, findings)


def sample_labels(
    listing: Listing, labels: pd.DataFrame, truth: pd.DataFrame
) -> tuple[LabeledReport, ...]:
    """Take the first test study of each mined grade, of none, and of one mined wrongly."""
    table = labels.set_index("study_id")
    facts = truth.set_index("study_id").loc[table.index]
    mined, reported = table["edema_severity"], facts["reported_severity"]
    in_test = (facts["split"] == "test").to_numpy()
    is_wrong = facts["states_severity"] & mined.notna() & (mined != reported)
    kinds = [*((mined == grade).fillna(False) & ~is_wrong for grade in range(4))]
    kinds += [mined.isna() & facts["states_severity"], mined.isna() & ~facts["states_severity"]]
    kinds += [is_wrong]
    chosen = [table.index[in_test & kind.to_numpy(bool)][:1] for kind in kinds]
    ids = list(dict.fromkeys(study for found in chosen for study in found))
    reports = dict(zip(listing.studies["study_id"][:], listing.studies["report"][:], strict=True))
    return tuple(
        _show(study, reports[study] or "", table.loc[study], facts.loc[study]) for study in ids
    )


def _show(study: str, report: str, row: Any, fact: Any) -> LabeledReport:
    evidence = [Evidence(**piece) for piece in row["evidence"]]
    is_mined = not pd.isna(row["edema_severity"])
    probabilities = tuple(float(row[name]) for name in SEVERITY_PROBABILITY_COLUMNS)
    return LabeledReport(
        study_id=study,
        # `highlight` escapes every character of the report itself.
        highlighted=Markup(highlight(report, evidence)),  # noqa: S704
        mined_severity=int(row["edema_severity"]) if is_mined else None,
        probabilities=probabilities if is_mined else None,
        true_severity=int(fact["severity"]),
        reported_severity=int(fact["reported_severity"]) if fact["states_severity"] else None,
    )


def _grade_row(scores: SeverityScores) -> dict[str, Cell]:
    return {
        "studies": int(scores.confusion.sum()),
        "coverage": float(scores.confusion[:, :4].sum() / scores.confusion.sum()),
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "quadratic_kappa": scores.quadratic_kappa,
    }


def _finding_row(support: int, precision: float, recall: float, f1: float) -> dict[str, Cell]:
    values = {"precision": precision, "recall": recall, "F1": f1}
    numbers = {name: None if math.isnan(value) else value for name, value in values.items()}
    return {"reports": support, **numbers}
