"""Prints what benchmarks/labeler.py measured."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_tables(console: Console, result: dict[str, Any]) -> None:
    """Print a table for each part that was measured."""
    for layout, rows in result.get("speeds", {}).items():
        _print_speeds(console, f"Reports {layout}", rows)
    for name, reason in result.get("left_out", {}).items():
        console.print(f"left out: {name}: {reason}", highlight=False)
    count, share = result["synthetic_reports"], result["synthetic_new_share"]
    for layout, rows in result.get("corpus_speeds", {}).items():
        title = f"{count:,} synthetic reports {layout}, {share:.0%} of the sentences new"
        _print_speeds(console, title, rows)
    if "lengths" in result:
        _print_lengths(console, result["lengths"])
    if "workers" in result:
        _print_workers(console, result["workers"])


def _print_speeds(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"{title}; one core")
    table.add_column("labeler", no_wrap=True)
    names = (
        "reports,a second",
        "×,tokenizer",
        "kerley,cold is",
        "kerley,warm is",
        "micro,F1",
        "macro,F1",
    )
    for name in (name.replace(",", "\n") for name in names):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["labeler"],
            f"{row['reports_per_second']:,.0f}",
            f"{row['times_tokenizer']:.3g}",
            *(_say(row[f"kerley_{way}_times"], ".3g", "×") for way in ("cold", "warm")),
            *(_say(row[f"{mean}_f1"], ".3f") for mean in ("micro", "macro")),
        )
    console.print(table)


def _print_lengths(console: Console, rows: list[dict[str, Any]]) -> None:
    lengths = sorted({row["characters"] for row in rows})
    table = Table(title="One report of growing length: million characters a second")
    table.add_column("text", no_wrap=True)
    for length in lengths:
        table.add_column(f"{length:,}", justify="right")
    table.add_column("longest ÷ best", justify="right")
    for name in dict.fromkeys(row["text"] for row in rows):
        speeds = [row["characters_per_second"] for row in rows if row["text"] == name]
        table.add_row(
            name, *(f"{speed / 1e6:.2f}" for speed in speeds), f"{speeds[-1] / max(speeds):.2f}"
        )
    console.print(table)


def _print_workers(console: Console, rows: list[dict[str, Any]]) -> None:
    table = Table(title="kerley mine on synthetic reports")
    for name in ("reports", "workers", "mining, s", "command, s", "reports/s", "× the first"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            f"{row['reports']:,}",
            str(row["workers"]),
            f"{row['mining_seconds']:.2f}",
            f"{row['command_seconds']:.2f}",
            f"{row['reports_per_second']:,.0f}",
            f"{row['times_first']:.2f}",
        )
    console.print(table)
    is_same = all(row["table_hashes"] == 1 for row in rows)
    console.print("same bytes in every run" if is_same else "THE LABEL TABLES DIFFER")


def _say(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"
