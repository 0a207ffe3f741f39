"""The benchmark with known truth from one call: plan, run, summarise, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from configs.files import write_json
from configs.settings import save_settings
from joint.benchmark.corpus import open_corpus
from joint.benchmark.figures import draw_benchmark
from joint.benchmark.page import describe_page, format_text, write_page
from joint.benchmark.plan import BenchmarkError, plan_units
from joint.benchmark.runner import read_result, run_units
from joint.benchmark.settings import SIZES, BenchmarkSettings
from joint.benchmark.summary import Summary, summarise
from joint.benchmark.tables import list_numbers
from vision.figure_numbers import save_figure


def find_size(name: str) -> BenchmarkSettings:
    """Give the settings of a size; raises BenchmarkError for another name."""
    if name not in SIZES:
        raise BenchmarkError(f"size {name!r}: expected one of {', '.join(SIZES)}")
    return SIZES[name]


def run_benchmark(
    settings: BenchmarkSettings,
    out: Path,
    *,
    seeds: Sequence[int],
    arms: Sequence[str] = (),
    workers: int = 1,
) -> Summary | None:
    """Run what does not stand yet in `out`, then summarise all that was asked for and write it.

    Writes `results.json` (every number), `results.md`, `report.html`, `figures/` (each figure
    with its numbers beside it) and `settings.yaml`. None when it was interrupted. Raises
    BenchmarkError for an unknown arm or no seed.
    """
    units = plan_units(settings, arms=arms, seeds=seeds)
    if not run_units(units, settings, out, workers=workers):
        return None
    results = [read_result(unit, out) for unit in units]
    corpus = open_corpus(out / "work", settings, bias=0.0, sigma=0.0)
    summary = summarise(results, corpus, settings)
    write_summary(summary, settings, out)
    return summary


def write_summary(summary: Summary, settings: BenchmarkSettings, out: Path) -> None:
    """Write numbers, tables, figures and the page."""
    figures = draw_benchmark(summary, settings)
    for name, figure in figures.items():
        save_figure(figure, out / "figures", name)
    page = describe_page(summary, settings, figures)
    write_json(out / "results.json", list_numbers(summary, settings))
    write_page(out, page)
    save_settings(settings, out / "settings.yaml")


def describe_benchmark(summary: Summary, settings: BenchmarkSettings, out: Path) -> list[str]:
    """Say in lines of text what was found and where it lies."""
    page = describe_page(summary, settings, {})
    files = {
        "page": out / "report.html",
        "table": out / "results.md",
        "numbers": out / "results.json",
    }
    return [*format_text(page), "", *(f"{name:9}{file}" for name, file in files.items())]
