"""What an evaluation says of a run's words, of groups of patients, and of what to trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from joint.evaluation.prompt_scores import DIFFERENCE, HEAD, PROMPTS, PromptScores, Values
from joint.evaluation.retrieval import CUTOFFS, Retrieval
from joint.evaluation.sections import (
    EvaluationSection,
    NotMeasured,
    name_reference,
    not_measured,
)
from joint.evaluation.subgroups import (
    FEWEST_IMAGES,
    FEWEST_PER_SIDE,
    LARGEST_GAP,
    METRICS,
    Subgroup,
    find_gaps,
)
from joint.report_content import Cell, ResultTable
from joint.trust.check import TrustCheck
from vision.metrics import METRIC_LABELS


def describe_retrieval(found: tuple[Retrieval, Retrieval] | NotMeasured) -> EvaluationSection:
    """Say how often images find their reports, and reports their images."""
    title = "Retrieval"
    if isinstance(found, NotMeasured):
        return EvaluationSection("retrieval", title, (not_measured(title, found),))
    queries, shared = found[0].queries, found[0].shared
    lines = (
        f"Each of {queries:,} test studies with a report is looked for among all of them. A study's"
        " images count as one, and a report of the same words as the right one is right too:"
        f" {shared:,} studies share theirs.",
    )
    rows = {direction.direction: _retrieval_row(direction) for direction in found}
    table = ResultTable(
        "Share of studies found among the first k",
        rows,
        note="Chance: a random order of the same candidates. Intervals draw patients' queries; the"
        " candidates stay. Fewer candidates make it easier: compare only at the same number.",
        row_heading="Direction",
        kind="plain",
    )
    return EvaluationSection("retrieval", title, lines, (table,))


def _retrieval_row(found: Retrieval) -> dict[str, Cell]:
    row: dict[str, Cell] = {}
    for k in CUTOFFS:
        row |= {f"R@{k}": found.recall[k], f"chance@{k}": found.chance[k]}
    return row | {"median rank": f"{found.median_rank:g}"}


def describe_prompts(found: PromptScores | NotMeasured) -> EvaluationSection:
    """Hold prompts against the heads, by reference and by finding."""
    title = "Zero-shot by prompts"
    if isinstance(found, NotMeasured):
        return EvaluationSection("prompts", title, (not_measured(title, found),))
    lines = (
        "A grade or finding is scored by how close the image is to written prompts, several of each"
        " kind averaged, and not by a head. Only the order of images counts, so AUC is all that is"
        " given.",
    )
    tables = [
        _compare_scores(f"Severity, against {name_reference(reference)}", _turn(values), "AUC")
        for reference, values in found.severity.items()
    ]
    tables.append(_compare_scores("Findings, against the report", found.findings, "Finding"))
    return EvaluationSection("prompts", title, lines, tuple(tables))


def _turn(values: Mapping[str, Values]) -> dict[str, Values]:
    """From key → threshold to threshold → key."""
    thresholds = next(iter(values.values()))
    return {
        METRIC_LABELS[auc]: {key: found[auc] for key, found in values.items()} for auc in thresholds
    }


def _compare_scores(title: str, rows: Mapping[str, Values], heading: str) -> ResultTable:
    shown: dict[str, Mapping[str, Cell]] = {
        name: {key: values[key] for key in (PROMPTS, HEAD, DIFFERENCE)}
        for name, values in rows.items()
    }
    return ResultTable(title, shown, row_heading=heading, kind="plain")


def describe_subgroups(
    found: Mapping[str, Sequence[Subgroup]] | NotMeasured,
) -> EvaluationSection:
    """Show every group with its numbers, by reference, and name the gaps."""
    title = "Subgroups"
    if isinstance(found, NotMeasured):
        return EvaluationSection("subgroups", title, (not_measured(title, found),))
    lines, tables = [], []
    for reference, groups in found.items():
        against = name_reference(reference)
        rows = {
            f"{attribute}: {group.value}": _subgroup_row(group)
            for attribute, part in groupby(groups, key=lambda group: group.attribute)
            for group in part
        }
        tables.append(
            ResultTable(
                f"By group, against {against}",
                rows,
                note=f"Groups of fewer than {FEWEST_IMAGES} images are too small to measure.",
                row_heading="Group",
                kind="plain",
            )
        )
        lines += _say_gaps(groups, against)
    return EvaluationSection("subgroups", title, tuple(lines), tuple(tables))


def _say_gaps(groups: Sequence[Subgroup], against: str) -> list[str]:
    gaps = [
        f"{worse.attribute}: AUC is lower for {worse.value} than for {better.value} against"
        f" {against}, by more than {LARGEST_GAP} and with intervals apart."
        for worse, better in find_gaps(groups)
    ]
    if gaps:
        return gaps
    large = Counter(group.attribute for group in groups if group.above_none >= FEWEST_PER_SIDE)
    rule = f"at least {FEWEST_PER_SIDE} images with edema"
    if max(large.values(), default=0) < 2:
        return [f"Against {against}, no gap was looked for: no two groups of one kind have {rule}."]
    return [
        f"Against {against}, no two groups of one kind with {rule} differ by more than"
        f" {LARGEST_GAP} AUC with intervals apart."
    ]


def _subgroup_row(group: Subgroup) -> dict[str, Cell]:
    if group.is_too_small:
        # Not how many: the page is for others, and a group of one is a patient.
        under = f"under {FEWEST_IMAGES}"
        return {"images": under, "patients": under, **dict.fromkeys(METRICS, "too small")}
    counts: dict[str, Cell] = {"images": group.images, "patients": group.patients}
    return counts | {name: group.metrics[name] for name in METRICS}


def describe_trust(found: Sequence[TrustCheck] | NotMeasured) -> EvaluationSection:
    """Show every check with its verdict."""
    title = "Trust report"
    if isinstance(found, NotMeasured):
        return EvaluationSection("trust", title, (not_measured(title, found),))
    rows = {
        check.name: {"verdict": check.verdict, "found": check.found, "why it matters": check.why}
        for check in found
    }
    said = (
        "What can make a test number mean nothing, looked for in this run's images, its reports and"
        " its model; classes are grade 0 and above 0 by the report. `trust/` in the run's folder"
        " lists near duplicates and subgroups. That nothing is flagged is no proof."
    )
    table = ResultTable("Checks", rows, row_heading="Check", kind="words")
    return EvaluationSection("trust", title, (said,), (table,))
