"""Print how fast reports are labelled, beside merely tokenizing them and beside other labelers.

    python benchmarks/labeler.py [--reports openi --root ../shared/data/openi] [--peers none]

benchmarks/README.md says what each table means. All labelers stand on one processor core, each in
its own process, and take turns round by round; figures are medians of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark_reports import make_long_texts, make_task, recombine
from environments import PEERS, PeerError, default_folder, make_environment
from labeler_tables import print_tables
from long_reports import time_lengths
from peer_scores import Reference, read_reference
from rich.console import Console
from side_by_side import FLOOR, Race
from worker_processes import time_workers

from data_cards.corpora import read_source
from text_labeler.compiled import is_compiled

LAYOUTS: dict[str, Callable[[str], str]] = {
    "as they are": str,
    "on one line": lambda report: " ".join(report.split()),
}
"""A line feed is a special case of spaCy's tokenizer: it remembers no new word of a text behind
one, and is many times slower on reports of several lines. Whoever merely tokenizes need not."""
PARTS = ("peers", "corpus", "length", "workers")
FEW_ROUNDS = 3
ROOT = Path(__file__).parents[1]


def main() -> None:
    options = parse_options()
    listing = read_source(options.reports, options.root)
    reports = [report for report in listing.studies["report"] if report]
    console = Console(width=None if sys.stdout.isatty() else 110)
    result = describe(options, reports)
    console.print_json(data=result)
    with tempfile.TemporaryDirectory() as folder:
        if "peers" in options.parts:
            reference = read_reference(options.reports, options.root, listing)
            result |= compare_peers(options, reports, reference, Path(folder))
        if "corpus" in options.parts:
            corpus = recombine(reports, options.corpus, options.new_share, options.seed)
            result["corpus_speeds"] = compare_on_corpus(options, corpus, Path(folder))
        if "length" in options.parts:
            texts = make_long_texts(reports)
            result["lengths"] = time_lengths(texts, options.lengths, options.profile, options.core)
        if "workers" in options.parts:
            result["workers"] = [
                row
                for count in options.mined
                for row in time_workers(
                    recombine(reports, count, options.new_share, options.seed),
                    options.workers,
                    min(options.rounds, FEW_ROUNDS),
                    Path(folder),
                )
            ]
    print_tables(console, result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--reports", default="openi", help="a corpus, or a table of reports as for `kerley mine`")
    add("--root", type=Path, help="where the corpus lies (openi: ../shared/data/openi)")
    add("--profile", default="chestxray14")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--peers", nargs="+", choices=["none", *PEERS], default=list(PEERS))
    add("--environments", type=Path, default=default_folder(), help="where peers are installed")
    add("--rounds", type=int, default=9)
    add("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to stand on")
    add("--corpus", type=int, default=40_000, help="reports of the synthetic corpus")
    add("--new-share", type=float, default=0.15, help="share of its sentences that never recur")
    add("--seed", type=int, default=0)
    add("--lengths", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])
    add("--mined", type=int, nargs="+", default=[40_000, 200_000], help="reports for kerley mine")
    add("--workers", type=int, nargs="+", default=[1, 2, 4])
    add("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    if options.reports == "openi" and options.root is None:
        options.root = ROOT.parent / "shared" / "data" / "openi"
    return options


def describe(options: argparse.Namespace, reports: list[str]) -> dict[str, Any]:
    return {
        "reports": len(reports),
        "distinct_reports": len(set(reports)),
        "characters_each": round(sum(map(len, reports)) / len(reports)),
        "profile": options.profile,
        "python": platform.python_version(),
        "spacy": version("spacy"),
        "kerley": version("kerley"),
        "compiled": is_compiled(),
        "cores": os.cpu_count(),
        "synthetic_reports": options.corpus,
        "synthetic_new_share": options.new_share,
    }


def compare_peers(
    options: argparse.Namespace, reports: list[str], reference: Reference | None, folder: Path
) -> dict[str, Any]:
    """Return the rows by layout of the reports, and why peers are left out."""
    scripts = {"spacy": ("with_spacy.py", sys.executable)}
    left_out: dict[str, str] = {}
    for name in [name for name in options.peers if name in PEERS]:
        try:
            python = make_environment(PEERS[name], options.environments)
            scripts[name] = (PEERS[name].script, str(python))
        except PeerError as error:
            left_out[name] = str(error)
    speeds = {}
    for layout, lay_out in LAYOUTS.items():
        whole = reference.reports if reference and not speeds else []
        task = make_task([lay_out(report) for report in reports], whole, options.profile)
        with Race(task, scripts, folder, options.core) as race:
            left_out |= race.left_out
            scores = race.score(reference) if reference and whole else {}
            speeds[layout] = race.time(options.rounds, scores)
    return {"speeds": speeds, "left_out": left_out}


def compare_on_corpus(
    options: argparse.Namespace, corpus: list[str], folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows by layout for the synthetic corpus, beside the tokenizer alone."""
    speeds = {}
    scripts = {"spacy": ("with_spacy.py", sys.executable)}
    for layout, lay_out in LAYOUTS.items():
        task = make_task([lay_out(report) for report in corpus], [], options.profile)
        with Race(task, scripts, folder, options.core) as race:
            speeds[layout] = race.time(min(options.rounds, FEW_ROUNDS), {}, only=FLOOR)
    return speeds


if __name__ == "__main__":
    main()
