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
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark_reports import make_long_texts, make_task, recombine
from environments import PEER_SCRIPTS, PEERS, PeerError, default_folder, make_environment
from labeler_tables import print_lengths, print_speeds, print_workers
from long_reports import time_lengths
from peer_scores import Reference, read_reference
from rich.console import Console
from side_by_side import LabelerProcess, Turns, time_in_turns
from worker_processes import time_workers

from data_cards.corpora import read_source

PARTS = ("peers", "corpus", "length", "workers")
FLOOR = "tokenizer"
OURS = "kerley, "
ROOT = Path(__file__).parents[1]


def main() -> None:
    options = parse_options()
    listing = read_source(options.reports, options.root)
    reports = [report for report in listing.studies["report"] if report]
    corpus = recombine(reports, options.corpus, options.new_share, options.seed)
    console = Console(width=None if sys.stdout.isatty() else 110)
    result = describe(options, reports)
    console.print_json(data=result)
    with tempfile.TemporaryDirectory() as folder:
        if "peers" in options.parts:
            reference = read_reference(options.reports, options.root, listing)
            result |= compare_peers(options, reports, reference, Path(folder))
            print_speeds(console, "Reports as they are", result["speeds"], result["left_out"])
        if "corpus" in options.parts:
            floor = ("with_spacy.py", sys.executable)
            rows = compare(options, make_task(corpus, [], options.profile), [floor], Path(folder))
            result["corpus_speeds"] = rows
            title = f"Synthetic corpus: {len(corpus)} reports, {options.new_share:.0%} of"
            print_speeds(console, f"{title} sentences new", rows, {})
        if "length" in options.parts:
            texts = make_long_texts(reports)
            result["lengths"] = time_lengths(texts, options.lengths, options.profile, options.core)
            print_lengths(console, result["lengths"])
        if "workers" in options.parts:
            result["workers"] = time_workers(corpus, options.workers, Path(folder))
            print_workers(console, result["workers"], len(corpus))
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
        "cores": os.cpu_count(),
    }


def compare_peers(
    options: argparse.Namespace, reports: list[str], reference: Reference | None, folder: Path
) -> dict[str, Any]:
    scripts = [("with_spacy.py", sys.executable)]
    left_out = {}
    for name in options.peers:
        if name in PEERS:
            try:
                python = make_environment(PEERS[name], options.environments)
                scripts.append((PEERS[name].script, str(python)))
            except PeerError as error:
                left_out[name] = str(error)
    task = make_task(reports, reference.reports if reference else [], options.profile)
    rows = compare(options, task, scripts, folder, reference=reference, left_out=left_out)
    return {"speeds": rows, "left_out": left_out}


def compare(
    options: argparse.Namespace,
    task: dict[str, Any],
    scripts: Sequence[tuple[str, str]],
    folder: Path,
    *,
    reference: Reference | None = None,
    left_out: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Time Kerley and the scripts (script, Python) in turns; one row for each way of reading."""
    file = folder / f"{len(task['reports'])}.json"
    file.write_text(json.dumps(task), encoding="utf-8")
    with ExitStack() as stack:
        ours = stack.enter_context(_start("with_kerley.py", sys.executable, file, options.core))
        others = []
        for script, python in scripts:
            try:
                process = stack.enter_context(_start(script, python, file, options.core))
                others.append(process)
            except PeerError as error:
                if left_out is None or script == "with_spacy.py":
                    raise
                left_out[script.removeprefix("with_").removesuffix(".py")] = str(error)
        waiting = [(way, process) for process in others for way in process.ways]
        mine, turns = time_in_turns(ours, waiting, options.rounds)
        scores = {}
        for process in (ours, *others):
            labels = process.label() if reference else None
            if reference and labels is not None:
                scores |= dict.fromkeys(process.ways, reference.score(labels))
    return _make_rows(len(task["reports"]), mine, turns, scores)


def _start(script: str, python: str, task: Path, core: int) -> LabelerProcess:
    return LabelerProcess(Path(python), PEER_SCRIPTS / script, task, core)


def _make_rows(
    count: int,
    mine: dict[str, list[float]],
    turns: dict[str, Turns],
    scores: dict[str, dict[str, float]],
) -> list[dict[str, Any]]:
    every = {way: Turns(seconds) for way, seconds in mine.items()} | turns
    floor = turns[FLOOR]
    rows = []
    for way, turn in every.items():
        is_ours = way in mine
        rows.append(
            {
                "labeler": f"{OURS}{way}" if is_ours else way,
                "reports_per_second": count / turn.median,
                "times_tokenizer": floor.speed_up(way) if is_ours else floor.median / turn.median,
                **{f"kerley_{own}_times": None if is_ours else turn.speed_up(own) for own in mine},
                **scores.get(way, {"micro_f1": None, "macro_f1": None}),
                "rounds": len(turn.seconds),
            }
        )
    return rows


if __name__ == "__main__":
    main()
