"""The label model on planted votes: recovery, gain over majority vote, calibration, audits, speed.

    python benchmarks/label_model.py [--parts recovery audits speed] [--seeds 20]

crowd-kit and Snorkel (the extra `oracles`) are timed on the same votes where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from planted_votes import DESIGNS, Design, calibration_error, log_loss, majority, plant

from text_labeler.label_model import LabelModelSettings, fit_label_model

Votes = NDArray[np.int8]
Shares = NDArray[np.float64]
Found = TypeVar("Found")
FINDINGS, LABELERS, GRADES = 14, 6, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {"recovery": show_recovery, "audits": show_audits, "speed": show_speed}
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--studies", type=int, default=200_000, help="studies that are timed")
    parser.add_argument("--peer-studies", type=int, default=200_000, help="of one finding")
    asked = parser.parse_args()
    for part in asked.parts:
        parts[part](asked)
        print(flush=True)


def settings_of(classes: int) -> LabelModelSettings:
    return LabelModelSettings(classes, "by_offset" if classes > 2 else "full")


def show_recovery(asked: argparse.Namespace) -> None:
    """Print, for each design, errors of the estimated accuracies and what majority vote loses."""
    print(
        "| 2,000 studies | from the planted: worst | mean | within 0.03 | the sample's own: worst "
        "| from the sample's: worst | mean | majority beaten: accuracy | log-loss "
        "| calibration error |"
    )
    print("|---" + "|---:" * 9 + "|")
    for name, design in DESIGNS.items():
        rows = np.array([recover(seed, design) for seed in range(asked.seeds)])
        worst, mean = rows.max(axis=0), rows.mean(axis=0)
        won, cheaper = rows[:, 5].sum(), rows[:, 6].sum()
        print(
            f"| {name} | {worst[0]:.4f} | {mean[1]:.4f} | {mean[8]:.1%} | {worst[2]:.4f} "
            f"| {worst[3]:.4f} | {mean[4]:.4f} | {won:.0f} of {len(rows)} "
            f"| {cheaper:.0f} of {len(rows)} | {mean[7]:.3f} |",
            flush=True,
        )


def recover(seed: int, design: Design) -> tuple[float, ...]:
    truth, votes = plant(seed, 2000, design)
    classes = len(design.prior)
    fit = fit_label_model(votes, settings_of(classes))
    voted = votes >= 0
    sample = ((votes == truth[:, None]) & voted).sum(axis=0) / voted.sum(axis=0)
    off, planted = np.abs(fit.accuracies - sample), np.abs(fit.accuracies - design.accuracies)
    usual = majority(votes, classes)
    wins = [(shares.argmax(axis=1) == truth).mean() for shares in (fit.probabilities, usual)]
    losses = [log_loss(shares, truth) for shares in (fit.probabilities, usual)]
    return (
        planted.max(),
        planted.mean(),
        np.abs(sample - design.accuracies).max(),
        off.max(),
        off.mean(),
        wins[0] > wins[1],
        losses[0] < losses[1],
        calibration_error(fit.probabilities, truth),
        (planted < 0.03).mean(),
    )


def show_audits(asked: argparse.Namespace) -> None:
    """Print what audited reads change, taken at random or among the first labeler's positives."""
    design = Design((0.85, 0.75, 0.65), (0.8, 0.2))
    print("| three labelers, 2,000 studies, 20 % positive | accuracies off by | prior off by |")
    print("|---|---:|---:|")
    for name, count, chosen in (
        ("no audited reads", 0, False),
        *((f"{count} at random", count, False) for count in (50, 100, 150)),
        *((f"{count} of a labeler's positives", count, True) for count in (50, 150)),
    ):
        rows = np.array([audit(seed, design, count, chosen) for seed in range(asked.seeds)])
        off, prior = rows.mean(axis=0)
        print(f"| {name} | {off:.4f} | {prior:.4f} |", flush=True)


def audit(seed: int, design: Design, count: int, chosen: bool) -> tuple[float, float]:
    truth, votes = plant(seed, 2000, design)
    order = np.random.default_rng(seed).permutation(len(truth))
    if chosen:
        order = order[votes[order, 0] == 1]
    audited = np.full_like(truth, -1)
    audited[order[:count]] = truth[order[:count]]
    fit = fit_label_model(votes, truth=audited)
    sample = (votes == truth[:, None]).mean(axis=0)
    return np.abs(fit.accuracies - sample).mean(), abs(fit.parameters.prior[1] - truth.mean())


def show_speed(asked: argparse.Namespace) -> None:
    """Print seconds for all findings and the grade, then for one finding beside other models."""
    rng = np.random.default_rng(0)
    designs = [
        Design(tuple(rng.uniform(0.6, 0.95, LABELERS)), (1 - p, p), coverage=0.7)
        for p in rng.uniform(0.02, 0.4, FINDINGS)
    ]
    designs.append(
        Design(tuple(rng.uniform(0.5, 0.9, LABELERS)), (0.6, 0.2, 0.12, 0.08), coverage=0.7)
    )
    planted = [plant(number, asked.studies, design)[1] for number, design in enumerate(designs)]
    seconds, fits = timed(
        lambda: [
            fit_label_model(votes, settings_of(len(design.prior)))
            for design, votes in zip(designs, planted, strict=True)
        ]
    )
    converged = sum(fit.convergence.converged for fit in fits)
    print(
        f"{asked.studies:,} studies × ({FINDINGS} findings + a grade) × {LABELERS} labelers: "
        f"{seconds:.1f} s, {converged} of {len(fits)} converged, "
        f"{len(fits[0].convergence.starts)} starts each\n"
    )
    votes = planted[0][: asked.peer_studies]
    ours, fit = timed(lambda: fit_label_model(votes))
    again, _ = timed(lambda: fit_label_model(votes))
    print(
        f"| one finding, {len(votes):,} studies | seconds | × kerley | most a probability differs |"
    )
    print("|---|---:|---:|---:|")
    usual = (ours + again) / 2
    print(f"| kerley | {usual:.2f} | 1 | |", flush=True)
    for name, package, solve in (
        ("crowd-kit DawidSkene", "crowdkit", solve_crowd_kit),
        ("Snorkel LabelModel", "snorkel", solve_snorkel),
    ):
        if importlib.util.find_spec(package) is None:
            print(f"| {name} | not installed | | |")
            continue
        solve(votes[:1000])  # imports and first calls are not timed
        theirs, shares = timed(lambda solve=solve: solve(votes))
        apart = np.abs(shares - fit.probabilities[(votes >= 0).any(axis=1)]).max()
        print(f"| {name} | {theirs:.2f} | {theirs / usual:.1f} | {apart:.3f} |", flush=True)


def timed(solve: Callable[[], Found]) -> tuple[float, Found]:
    start = time.perf_counter()
    found = solve()
    return time.perf_counter() - start, found


def solve_crowd_kit(votes: Votes) -> Shares:
    """With its own settings: 100 iterations at most, or until the bound rises by under 1e-5."""
    import pandas
    from crowdkit.aggregation import DawidSkene

    study, labeler = np.nonzero(votes >= 0)
    table = pandas.DataFrame(
        {"task": study, "worker": labeler, "label": votes[study, labeler].astype(int)}
    )
    shares = DawidSkene(n_iter=100).fit_predict_proba(table)
    return shares.sort_index()[sorted(shares.columns)].to_numpy()


def solve_snorkel(votes: Votes) -> Shares:
    """With its own settings; it learns no class balance, and is given that of the votes."""
    from snorkel.labeling.model import LabelModel

    heard = votes[(votes >= 0).any(axis=1)].astype(int)
    model = LabelModel(cardinality=int(votes.max()) + 1, verbose=False)
    balance = np.bincount(heard[heard >= 0]) / (heard >= 0).sum()
    model.fit(heard, class_balance=list(balance), seed=0, progress_bar=False)
    return model.predict_proba(heard)


if __name__ == "__main__":
    main()
