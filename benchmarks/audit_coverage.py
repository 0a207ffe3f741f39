"""Do an audit's intervals hold? Simulated audits, simulated readers who err, simulated peeking.

Run with `python benchmarks/audit_coverage.py [--audits 1500]`; it takes two minutes or so on one
core. Nothing but the counts is simulated: estimates, re-reads and verdicts are Kerley's own.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np

from text_labeler.audit.anytime import bound_share, bound_sum
from text_labeler.audit.conflicts import plan_rereads, settle
from text_labeler.audit.measures import CalledTally, infer_measure
from text_labeler.audit.posterior import Tally
from text_labeler.audit.records import Item, Purpose, Read, Verdict


class PlantedStratum(NamedTuple):
    """Studies of one stratum: how many, of them with the finding, and reads of a small and a
    large audit."""

    is_called: bool
    population: int
    present: int
    reads: tuple[int, int]


CORPORA = {
    "the facts' (precision .856, recall .828)": (
        PlantedStratum(True, 120, 112, (60, 60)),
        PlantedStratum(True, 60, 42, (40, 40)),
        PlantedStratum(False, 900, 11, (80, 150)),
        PlantedStratum(False, 150, 15, (60, 100)),
        PlantedStratum(False, 2621, 6, (120, 300)),
    ),
    "a poor labeler (precision .700, recall .583)": (
        PlantedStratum(True, 300, 240, (60, 60)),
        PlantedStratum(True, 100, 40, (40, 40)),
        PlantedStratum(False, 800, 60, (80, 150)),
        PlantedStratum(False, 300, 60, (60, 100)),
        PlantedStratum(False, 2500, 80, (120, 300)),
    ),
    "a rare finding (precision .900, recall .750)": (
        PlantedStratum(True, 80, 76, (60, 60)),
        PlantedStratum(True, 40, 32, (40, 40)),
        PlantedStratum(False, 1500, 10, (80, 150)),
        PlantedStratum(False, 100, 8, (60, 100)),
        PlantedStratum(False, 8280, 18, (120, 300)),
    ),
}
MEASURES = ("precision", "recall", "error_rate")


class Coverage(NamedTuple):
    """Over all audits: shares in which the truth lies in the interval, below it, above it."""

    inside: float
    below: float
    above: float

    def break_promise(self, measure: str) -> float:
        """In which share the strictest promise that the audit would prove is broken."""
        return self.above if measure == "error_rate" else self.below


def tell_truth(strata: tuple[PlantedStratum, ...], measure: str) -> float:
    """Return the measure in the whole planted population."""
    found = sum(one.present for one in strata if one.is_called)
    missed = sum(one.present for one in strata if not one.is_called)
    called = sum(one.population for one in strata if one.is_called)
    if measure == "recall":
        return found / (found + missed)
    if measure == "precision":
        return found / called
    return (called - found + missed) / sum(one.population for one in strata)


def cover(
    strata: tuple[PlantedStratum, ...], size: int, audits: int, seed: int
) -> dict[str, Coverage]:
    """Audit a planted corpus many times; size: 0 the small, 1 the large audit."""
    randomness = np.random.default_rng(seed)
    hits = np.stack(
        [
            randomness.hypergeometric(
                one.present, one.population - one.present, one.reads[size], audits
            )
            for one in strata
        ]
    )
    found: dict[str, list[list[float]]] = {measure: [] for measure in MEASURES}
    for drawn in hits.T:
        cells = [
            CalledTally(one.is_called, Tally(one.population, one.reads[size], int(k)))
            for one, k in zip(strata, drawn, strict=True)
        ]
        for measure in MEASURES:
            quantile = infer_measure(cells, measure)
            assert quantile is not None
            found[measure].append([quantile(level) for level in (0.025, 0.975)])
    result = {}
    for measure, ends in found.items():
        truth = tell_truth(strata, measure)
        lower, upper = np.array(ends).T
        below, above = (truth < lower - 1e-9).mean(), (truth > upper + 1e-9).mean()
        result[measure] = Coverage(float(1 - below - above), float(below), float(above))
    return result


def peek(
    strata: tuple[PlantedStratum, ...], size: int, audits: int, every: int, seed: int
) -> dict[str, float]:
    """Look after every so many reads of an audit; return how often a truth was ever missed."""
    randomness = np.random.default_rng(seed)
    missed = dict.fromkeys(("recall", "error_rate", "any of both"), 0)
    truths = {measure: tell_truth(strata, measure) for measure in ("recall", "error_rate")}
    for _ in range(audits):
        order = randomness.permutation(
            np.repeat(np.arange(len(strata)), [s.reads[size] for s in strata])
        )
        drawn = [
            randomness.permutation(np.arange(one.population) < one.present)[: one.reads[size]]
            for one in strata
        ]
        ever = dict.fromkeys(truths, False)
        for stop in range(every, len(order) + 1, every):
            reads = np.bincount(order[:stop], minlength=len(strata))
            cells = [
                CalledTally(one.is_called, Tally(one.population, int(n), int(seen[:n].sum())))
                for one, n, seen in zip(strata, reads, drawn, strict=True)
            ]
            called = [cell.tally for cell in cells if cell.is_called]
            silent = [cell.tally for cell in cells if not cell.is_called]
            studies = sum(one.population for one in strata)
            errors = bound_sum([cell.errors for cell in cells])
            bounds = {
                "recall": bound_share(called, silent),
                "error_rate": tuple(end / studies for end in errors),
            }
            for measure, (lower, upper) in bounds.items():
                ever[measure] |= not lower - 1e-9 <= truths[measure] <= upper + 1e-9
        for measure, is_missed in ever.items():
            missed[measure] += is_missed
        missed["any of both"] += any(ever.values())
    return {measure: number / audits for measure, number in missed.items()}


class ReaderBias(NamedTuple):
    """Medians over audits: precision and recall by first reads, and after the re-reads; and how
    many reads beyond the first that took, decoys and adjudications included."""

    first: tuple[float, float]
    settled: tuple[float, float]
    more_reads: float


def read_with_errors(
    strata: tuple[PlantedStratum, ...],
    size: int,
    sensitivity: float,
    specificity: float,
    *,
    audits: int,
    seed: int,
) -> ReaderBias:
    """Let readers who err read; each difference from the labeler is re-read by the core's rules.

    The adjudicator errs as often as they do, though he sees what both said.
    """
    randomness = np.random.default_rng(seed)
    rows = []
    for audit in range(audits):
        items, truth = _draw_items(strata, size, randomness)
        reads: list[Read] = []

        def read(item_id: str, purpose: Purpose, reader: str) -> None:
            rate = sensitivity if truth[item_id] else 1 - specificity  # noqa: B023
            verdict: Verdict = "present" if randomness.random() < rate else "absent"
            reads.append(_make_read(len(reads), item_id, purpose, reader, verdict))  # noqa: B023

        for item in items:
            read(item.item_id, "first", "a")
        first = {one.item_id: one.verdict for one in reads}
        done: set[tuple[str, str]] = set()
        while asked := [one for one in plan_rereads(items, reads, audit) if one not in done]:
            for again in asked:
                read(again.item_id, again.purpose, "c" if again.purpose == "adjudication" else "b")
                done.add(again)
        by_item: dict[str, list[Read]] = {}
        for one in reads:
            by_item.setdefault(one.item_id, []).append(one)
        final = {item.item_id: settle(item, by_item[item.item_id]) for item in items}
        rows.append([*_estimate(strata, items, first), *_estimate(strata, items, final), len(done)])
    middle = np.mean(rows, axis=0).tolist()
    return ReaderBias((middle[0], middle[1]), (middle[2], middle[3]), middle[4])


def _draw_items(
    strata: tuple[PlantedStratum, ...], size: int, randomness: np.random.Generator
) -> tuple[list[Item], dict[str, bool]]:
    items, truth = [], {}
    for number, one in enumerate(strata):
        for place, row in enumerate(randomness.permutation(one.population)[: one.reads[size]]):
            name = f"{number}-{place}"
            truth[name] = bool(row < one.present)
            items.append(
                Item(
                    item_id=name,
                    study_id=name,
                    finding="Edema",
                    queue="blind",
                    pool="hold_out",
                    stratum=str(number),
                    place=0,
                    call=1 if one.is_called else 0,
                )
            )
    return items, truth


def _make_read(event: int, item_id: str, purpose: Purpose, reader: str, verdict: Verdict) -> Read:
    return Read(
        event=event,
        item_id=item_id,
        study_id=item_id,
        finding="Edema",
        queue="blind",
        pool="hold_out",
        reader=reader,
        purpose=purpose,
        verdict=verdict,
        seconds=1.0,
        at="",
    )


def _estimate(
    strata: tuple[PlantedStratum, ...], items: list[Item], verdicts: dict[str, Verdict | None]
) -> list[float]:
    cells = []
    for number, one in enumerate(strata):
        own = [verdicts[item.item_id] for item in items if item.stratum == str(number)]
        present = sum(verdict == "present" for verdict in own)
        cells.append(CalledTally(one.is_called, Tally(one.population, len(own), present)))
    quantiles = [infer_measure(cells, measure) for measure in ("precision", "recall")]
    return [quantile(0.5) for quantile in quantiles if quantile is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=1500)
    audits = parser.parse_args().audits
    start = time.perf_counter()
    print(f"coverage over {audits} audits; truth inside, below, above; promise broken")
    for number, (name, strata) in enumerate(CORPORA.items()):
        for size, reads in enumerate((360, 650)):
            for measure, one in cover(strata, size, audits, number).items():
                print(
                    f"  {name}, {reads} reads, {measure}: {one.inside:.3f}"
                    f"  {one.below:.3f} {one.above:.3f}  {one.break_promise(measure):.3f}"
                )
    print("reader error, 650 reads of the first corpus: first reads; after re-reads; more reads")
    facts = next(iter(CORPORA.values()))
    for specificity in (0.99, 0.97):
        bias = read_with_errors(facts, 1, 0.95, specificity, audits=audits // 10, seed=7)
        print(
            f"  sensitivity .95, specificity {specificity}: {bias.first[0]:.3f}/{bias.first[1]:.3f}"
            f"  {bias.settled[0]:.3f}/{bias.settled[1]:.3f}  {bias.more_reads:.0f}"
        )
    perfect = read_with_errors(facts, 1, 1.0, 1.0, audits=audits // 10, seed=7)
    print(f"  perfect readers: {perfect.settled[0]:.3f}/{perfect.settled[1]:.3f}")
    print(f"looking after every 10 reads of 650, {audits // 5} audits: truth ever missed")
    for number, (name, strata) in enumerate(CORPORA.items()):
        missed = peek(strata, 1, audits // 5, 10, number)
        print(f"  {name}: " + ", ".join(f"{key} {share:.3f}" for key, share in missed.items()))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
