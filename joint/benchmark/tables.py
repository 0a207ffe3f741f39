"""The benchmark's tables: what each family of runs came to, and the targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joint.benchmark.arms import ARMS
from joint.benchmark.settings import BenchmarkSettings
from joint.benchmark.statistics import SHOWN
from joint.benchmark.summary import Family, Summary
from joint.evaluation.retrieval import CUTOFFS
from joint.report_content import Cell, ResultTable
from vision.intervals import Interval

AUCS = ("auc_0v123", "auc_01v23", "auc_012v3")
CURVE_METRICS = ("auc_0v123", "macro_f1", "ece")


def list_tables(summary: Summary, settings: BenchmarkSettings) -> list[ResultTable]:
    """Give the tables of all families that have results, the targets first."""
    tables = [_targets(summary)]
    main, reader = settings.main(), settings.reader()
    if family := summary.families.get("main"):
        tables += [
            _values(
                "Grades of the image, channel E",
                family,
                SHOWN[:-1],
                note=f"{main.labelled} graded reports, each labeling function wrong in"
                f" {main.noise_rate:.0%}; uncalibrated; means over seeds.",
            ),
            *_differences("What each part adds", family, (*AUCS, "macro_f1")),
        ]
    for name, title, note in (
        ("noise", "Label noise", "Rate at which each labeling function is wrong."),
        ("labels", "Label efficiency", "Number of graded reports."),
    ):
        if family := summary.families.get(name):
            tables.append(_values(title, family, CURVE_METRICS, note=note))
            tables += _differences(f"{title}: differences", family, CURVE_METRICS)
    if family := summary.families.get("reader"):
        metrics = ("auc_0v123", "macro_f1", "quadratic_kappa", "ece", "over_call")
        tables.append(
            _values(
                "Over-calling reader, channels R and E",
                family,
                metrics,
                note=f"{reader.labelled} graded reports of a reader with bias"
                f" {reader.perception_bias:g} and scatter {reader.perception_sigma:g} probits;"
                f" recalibrated on {_count_anchors(summary, reader.name)} anchors.",
            )
        )
        tables += _differences("What the anchors add", family, metrics)
    if family := summary.families.get("shortcut"):
        tables.append(
            _values(
                "Shortcut",
                family,
                ("auc_0v123",),
                note=f"A support device goes with edema in {settings.shortcut:.0%} of training"
                " studies; in the flipped test images it goes against it as often.",
            )
        )
        tables += _differences("Shortcut: differences", family, ("auc_0v123",))
    return [*tables, *_facts(summary, settings)]


def list_numbers(summary: Summary, settings: BenchmarkSettings) -> dict[str, Any]:
    """Give every number of a summary, ready for JSON."""
    return {
        "settings": settings.model_dump(mode="json"),
        "seeds": list(summary.seeds),
        "run_seconds": summary.seconds,
        "targets": [
            {"name": t.name, "asked": t.asked, "found": _numbers(t.found), "met": t.met}
            for t in summary.targets
        ],
        "estimates": {
            name: {
                group: {metric: _numbers(value) for metric, value in values.items()}
                for group, values in family.estimates.items()
            }
            for name, family in summary.families.items()
        },
        "auc_0v123_by_seed": {
            name: {str(seed): value for seed, value in values.items()}
            for name, values in summary.seed_values.items()
        },
        "facts": summary.facts,
    }


def title_of(group: str) -> str:
    """Write a group's arm out: `full, 60%` → `full recipe, 60%`; differences on both sides."""
    return " − ".join(_title_side(side) for side in group.split(" − "))


def _title_side(group: str) -> str:
    arm, comma, rest = group.partition(",")
    return ARMS[arm].title + (f" ·{rest}" if comma else "") if arm in ARMS else group


def _targets(summary: Summary) -> ResultTable:
    verdicts = {True: "reached", False: "not reached", None: "not run"}
    rows: dict[str, dict[str, Cell]] = {
        target.name: {
            "asked for": target.asked,
            "found": _show(target.found),
            "": verdicts[target.met],
        }
        for target in summary.targets
    }
    return ResultTable("Targets", rows, row_heading="Target", kind="plain")


def _show(found: Interval | None) -> str | None:
    """Write four digits: three would show a value just short of its bound as the bound."""
    if found is None:
        return None
    value, low, high = (f"{number:.4f}".replace("-", "−") for number in found[:3])
    return f"{value} [{low}, {high}]"


def _values(title: str, family: Family, metrics: tuple[str, ...], *, note: str = "") -> ResultTable:
    rows = {
        title_of(name): {metric: family.estimates[name][metric] for metric in metrics}
        for name in family.groups
    }
    seeds = sorted({len(group.probabilities) for group in family.groups.values()})
    counted = f"{' to '.join(map(str, seeds))} seeds." if seeds != [1] else "One seed."
    return ResultTable(title, rows, note=f"{note} {counted}".strip(), row_heading="Arm")


def _differences(title: str, family: Family, metrics: tuple[str, ...]) -> list[ResultTable]:
    if not family.contrasts:
        return []
    rows = {
        title_of(contrast.name): {
            metric: family.estimates[contrast.name][metric] for metric in metrics
        }
        for contrast in family.contrasts
    }
    note = "Paired over patients and seeds; bold: an interval without 0."
    return [ResultTable(title, rows, note=note, row_heading="Difference", kind="differences")]


def _facts(summary: Summary, settings: BenchmarkSettings) -> list[ResultTable]:
    """Retrieval and the labels' own worth, in the main scenario."""
    arms = summary.facts.get(settings.main().name, {})
    retrieval: dict[str, dict[str, Cell]] = {}
    labels: dict[str, dict[str, Cell]] = {}
    for arm, facts in arms.items():
        if "recall_at_1" in facts:
            retrieval[ARMS[arm].title] = {f"R@{k}": facts[f"recall_at_{k}"] for k in CUTOFFS}
            chance: dict[str, Cell] = {f"R@{k}": facts[f"chance_at_{k}"] for k in CUTOFFS}
            retrieval["chance"] = retrieval.pop("chance", chance)
        error = facts.get("confusion_error")
        labels[ARMS[arm].title] = {
            "accuracy of the taught grade": facts["label_accuracy"],
            "error of recovered confusions": error,
        }
    tables = []
    if retrieval:
        note = "Image to report among the test reports; a report of the same words is right."
        tables.append(ResultTable("Retrieval", retrieval, note=note, kind="plain"))
    if labels:
        tables.append(ResultTable("What the labels are worth", labels, kind="plain"))
    return tables


def _count_anchors(summary: Summary, scenario: str) -> int:
    arms: Mapping[str, Mapping[str, float]] = summary.facts.get(scenario, {})
    return round(next(iter(arms.values()))["anchors"]) if arms else 0


def _numbers(value: Interval | None) -> dict[str, float] | None:
    return None if value is None else {"value": value.value, "low": value.low, "high": value.high}
