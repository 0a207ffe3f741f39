"""Explanation checks as tables to print, as JSON, and as two figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from configs.files import write_atomically, write_json
from vision.explanation_checks import CheckPlan, TargetChecks
from vision.explanation_figures import draw_examples, draw_removal
from vision.explanation_table import LOWER_IS_BETTER
from vision.figure_style import PNG_DOTS_PER_INCH
from vision.intervals import Interval

TABLE_WIDTH = 144
COLOURS = {"better": "green", "worse": "red", "no different": "yellow", "undefined": "dim"}


def tabulate_checks(checks: Sequence[TargetChecks]) -> list[Table]:
    """One table of comparisons per target, then one of all targets' randomised weights."""
    return [*map(_tabulate_target, checks), _tabulate_randomised(checks)]


def write_checks(checks: Sequence[TargetChecks], plan: CheckPlan, out: Path) -> list[Path]:
    """Write `explanation_checks.json`, `removal_curves.png` and `heatmap_examples.png`."""
    values = {"plan": asdict(plan), "targets": [_describe(one) for one in checks]}
    record = out / "explanation_checks.json"
    write_json(record, values)
    files = [record]
    for name, draw in (("removal_curves", draw_removal), ("heatmap_examples", draw_examples)):
        file = out / f"{name}.png"
        with write_atomically(file) as temporary:
            draw(checks).savefig(temporary, format="png", dpi=PNG_DOTS_PER_INCH)
        files.append(file)
    return files


def _tabulate_target(one: TargetChecks) -> Table:
    empty = f", {one.empty_maps} empty maps" if one.empty_maps else ""
    title = f"{one.target}: {one.images} images of {one.patients} patients{empty}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("check", "baseline"):
        table.add_column(name, no_wrap=True)
    for name in ("heatmap", "baseline's", "difference", "wins"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("heatmap is")
    last = None
    for row in one.comparisons:
        check = f"{row.check} (lower is better)" if row.check in LOWER_IS_BETTER else row.check
        table.add_row(
            check if row.check != last else "",
            row.baseline,
            _show(row.heatmap) if row.check != last else "",
            "–" if row.against is None else f"{row.against.value:.3f}",
            _show(row.difference, sign="+"),
            "–" if row.wins is None else f"{row.wins:.0%}",
            f"[{COLOURS[row.verdict]}]{row.verdict}[/]",
        )
        last = row.check
    return table


def _tabulate_randomised(checks: Sequence[TargetChecks]) -> Table:
    title = "mean |ρ| of the maps with those of the trained weights (1: the map did not notice)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("random weights in", no_wrap=True)
    for one in checks:
        table.add_column(one.target, justify="right", no_wrap=True)
    for stage in checks[0].randomised:
        table.add_row(stage, *(_show(one.randomised[stage]) for one in checks))
    return table


def _show(interval: Interval | None, *, sign: str = "") -> str:
    if interval is None:
        return "–"
    value, low, high = interval[:3]
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _describe(one: TargetChecks) -> dict[str, Any]:
    return {
        "target": one.target,
        "images": one.images,
        "patients": one.patients,
        "empty_maps": one.empty_maps,
        "comparisons": [
            {
                "check": row.check,
                "baseline": row.baseline,
                "heatmap": _record(row.heatmap),
                "against": _record(row.against),
                "difference": _record(row.difference),
                "wins": row.wins,
                "verdict": row.verdict,
            }
            for row in one.comparisons
        ],
        "curves": {
            name: {kind: scores.tolist() for kind, scores in curves._asdict().items()}
            for name, curves in one.curves.items()
        },
        "randomised": {stage: _record(value) for stage, value in one.randomised.items()},
    }


def _record(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else interval._asdict()
