"""What a benchmark's results come to: estimates per family of scenarios, and the targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from joint.benchmark.arms import ARMS
from joint.benchmark.corpus import BenchmarkCorpus
from joint.benchmark.noise import plant_shortcut
from joint.benchmark.plan import LABEL_ARMS, NOISE_ARMS, BenchmarkError
from joint.benchmark.runner import UnitResult
from joint.benchmark.settings import BenchmarkSettings, Scenario
from joint.benchmark.statistics import Contrast, Judged, estimate, seed_values
from vision.intervals import Interval

HEADLINE = "auc_0v123"
RECALIBRATED = ", recalibrated"
WITH_DEVICE, FLIPPED = ", as in training", ", flipped"

MAIN_CONTRASTS = (
    Contrast("full", "image-only"),
    Contrast("full", "image-only-model"),
    Contrast("full", "shuffled"),
    Contrast("full", "mixed-shuffled"),
    Contrast("full", "founding"),
    Contrast("full", "mixed"),
    Contrast("mixed", "mixed-shuffled"),
    Contrast("mixed", "image-only-model"),
    Contrast("mixed-shuffled", "image-only-model"),
    Contrast("image-only-model", "image-only"),
    Contrast("oracle", "full"),
)

Estimates = Mapping[str, Mapping[str, Interval | None]]


class Family(NamedTuple):
    """Groups that are judged together: by name, with their contrasts and estimates."""

    groups: Mapping[str, Judged]
    contrasts: tuple[Contrast, ...]
    estimates: Estimates


class Target(NamedTuple):
    """One thing that must hold: the value asked for, what was found, and whether it is enough."""

    name: str
    asked: str
    found: Interval | None
    met: bool | None


@dataclass(frozen=True)
class Summary:
    """Everything that tables and figures are made from.

    families: main, noise, labels, reader and shortcut, those that have results. facts: means
    over seeds, by group of the family: label accuracy, retrieval.
    """

    families: Mapping[str, Family]
    facts: Mapping[str, Mapping[str, Mapping[str, float]]]
    targets: tuple[Target, ...]
    seeds: tuple[int, ...]
    seed_values: Mapping[str, Mapping[int, float]]
    seconds: float


def summarise(
    results: Sequence[UnitResult], corpus: BenchmarkCorpus, settings: BenchmarkSettings
) -> Summary:
    """Estimate each family on the test images against the grade that the image shows.

    Raises BenchmarkError when there is nothing to summarise.
    """
    if not results:
        raise BenchmarkError("no finished run to summarise")
    test = corpus.rows("test")
    judge = _Judge(corpus, test, settings)
    gathered = _gather(results, settings, judge)
    families = {name: judge.estimate(*family) for name, family in gathered.items() if family[0]}
    main = families.get("main")
    values = {
        name: seed_values(group, judge.levels, HEADLINE)
        for name, group in (main.groups.items() if main else ())
    }
    return Summary(
        families=families,
        facts=_average_facts(results),
        targets=check_targets(families, settings),
        seeds=tuple(sorted({result.unit.seed for result in results})),
        seed_values=values,
        seconds=float(sum(result.facts["seconds"] for result in results)),
    )


class _Judge:
    """The test images: their grades, patients, and the two halves of the shortcut."""

    def __init__(
        self, corpus: BenchmarkCorpus, test: NDArray[np.int64], settings: BenchmarkSettings
    ) -> None:
        self.settings = settings
        self.levels = corpus.of_images("severity")[test].astype(np.int64)
        self.patients = [str(name) for name in corpus.of_images("patient_id")[test]]
        self.has_device = corpus.of_images("Support Devices")[test].astype(np.int64) > 0

    def estimate(self, groups: Mapping[str, Judged], contrasts: Iterable[Contrast]) -> Family:
        known = tuple(c for c in contrasts if c.first in groups and c.second in groups)
        found = estimate(
            groups,
            known,
            self.levels,
            self.patients,
            seed=self.settings.corpus_seed,
            resamples=self.settings.resamples,
        )
        return Family(groups, known, found)

    def choose(self, share: float) -> NDArray[np.bool_]:
        """Choose test images in which device and edema go together in this share."""
        return plant_shortcut(self.has_device, self.levels > 0, share, seed=0)


Runs = Mapping[Scenario, Mapping[str, Mapping[int, UnitResult]]]
Groups = dict[str, Judged]


def _gather(
    results: Sequence[UnitResult], settings: BenchmarkSettings, judge: _Judge
) -> dict[str, tuple[Groups, tuple[Contrast, ...]]]:
    """Sort the results into families; the main scenario is also a point of both curves."""
    runs: dict[Scenario, dict[str, dict[int, UnitResult]]] = {}
    for result in results:
        arms = runs.setdefault(result.unit.scenario, {})
        arms.setdefault(result.unit.arm, {})[result.unit.seed] = result
    main = {arm: _raw(each) for arm, each in runs.get(settings.main(), {}).items()}
    reader: Groups = {}
    for arm, each in runs.get(settings.reader(), {}).items():
        reader[arm] = _raw(each)
        if ARMS[arm].labels == "anchors":
            continue  # the anchors cannot calibrate what was trained on them
        reader[arm + RECALIBRATED] = Judged({s: r.calibrated for s, r in each.items()})
    labels, short = _gather_labels(runs, settings), _gather_shortcut(runs, settings, judge)
    worst = f"{max(*settings.noise_rates, settings.noise_rate):.0%}"
    losses = [
        Contrast(f"{arm}, {worst}", f"{arm}, 0%")
        for arm in ("image-only", "image-only-model", "full")
    ]
    flips = [Contrast(name, name.replace(FLIPPED, WITH_DEVICE)) for name in short]
    flips += [
        Contrast(f"{arm}{FLIPPED}", f"image-only-model{FLIPPED}") for arm in ("full", "shuffled")
    ]
    return {
        "main": (main, MAIN_CONTRASTS),
        "noise": (_gather_noise(runs, settings), tuple(losses)),
        "labels": (labels, _between(labels, "full, ", "image-only-model, ")),
        "reader": (reader, tuple(Contrast(arm + RECALIBRATED, arm) for arm in reader)),
        "shortcut": (short, tuple(c for c in flips if c.first != c.second)),
    }


def _gather_noise(runs: Runs, settings: BenchmarkSettings) -> Groups:
    groups: Groups = {}
    for rate in sorted({*settings.noise_rates, settings.noise_rate}):
        arms = runs.get(settings.main().model_copy(update={"noise_rate": rate}), {})
        groups |= {
            f"{arm}, {rate:.0%}": _raw(each) for arm, each in arms.items() if arm in NOISE_ARMS
        }
    return groups


def _gather_labels(runs: Runs, settings: BenchmarkSettings) -> Groups:
    """Give the points of the label curve, all with the same few seeds."""
    points = {
        count: runs.get(settings.main().model_copy(update={"labelled": count}), {})
        for count in sorted({*settings.label_counts, settings.labelled})
    }
    few = {
        seed for count in settings.label_counts for each in points[count].values() for seed in each
    }
    return {
        f"{arm}, {count}": _raw({seed: each[seed] for seed in sorted(few & set(each))})
        for count, arms in points.items()
        for arm, each in arms.items()
        if arm in LABEL_ARMS and few & set(each)
    }


def _gather_shortcut(runs: Runs, settings: BenchmarkSettings, judge: _Judge) -> Groups:
    scenario = settings.main().model_copy(update={"shortcut": settings.shortcut})
    shares = {WITH_DEVICE: settings.shortcut, FLIPPED: 1 - settings.shortcut}
    return {
        arm + name: Judged(_raw(each).probabilities, judge.choose(share))
        for arm, each in runs.get(scenario, {}).items()
        for name, share in shares.items()
    }


def check_targets(
    families: Mapping[str, Family], settings: BenchmarkSettings
) -> tuple[Target, ...]:
    """Hold what was found against what the benchmark must reach; None where it was not run.

    Gains are held against two controls each: the one with the same labels and the weaker one;
    shuffled pairs with distillation and, harder to beat, without.
    """
    worst = f"{max(*settings.noise_rates, settings.noise_rate):.0%}"

    def find(family: str, name: str, metric: str = HEADLINE) -> Interval | None:
        return families[family].estimates.get(name, {}).get(metric) if family in families else None

    def gain(title: str, control: str, least: float) -> Target:
        found = find("main", f"full − {control}")
        is_met = None if found is None else found.value >= least and found.low > 0
        return Target(f"AUC 0v123, full − {title}", f"≥ +{least:.2f}, interval > 0", found, is_met)

    def bound(
        title: str, asked: str, found: Interval | None, limits: tuple[float, float]
    ) -> Target:
        is_met = None if found is None else limits[0] <= found.value <= limits[1]
        return Target(title, asked, found, is_met)

    lost = find("noise", f"full, {worst} − full, 0%")
    gained = find("reader", f"full{RECALIBRATED} − full", "macro_f1")
    error = find("reader", f"full{RECALIBRATED}", "ece")
    return (
        gain("shuffled pairs", "shuffled", 0.02),
        gain("mixed on shuffled pairs", "mixed-shuffled", 0.02),
        gain("image-only, one labeler", "image-only", 0.03),
        gain("image-only, same labels", "image-only-model", 0.03),
        bound(f"AUC 0v123, full at {worst} noise − clean", "≥ −0.03", lost, (-0.03, 1)),
        bound("macro-F1, full recalibrated − raw", "≥ +0.10", gained, (0.10, 1)),
        bound("ECE, full recalibrated", "≤ 0.05", error, (0, 0.05)),
    )


def _raw(results: Mapping[int, UnitResult]) -> Judged:
    return Judged({seed: result.raw for seed, result in results.items()})


def _between(groups: Mapping[str, Judged], first: str, second: str) -> tuple[Contrast, ...]:
    return tuple(
        Contrast(name, name.replace(first, second)) for name in groups if name.startswith(first)
    )


def _average_facts(
    results: Sequence[UnitResult],
) -> dict[str, dict[str, dict[str, float]]]:
    """Give the mean over seeds of every number beside the grades, by scenario and arm."""
    gathered: dict[str, dict[str, dict[str, list[float]]]] = {}
    for result in results:
        numbers = {**result.facts, **result.facts.get("retrieval", {})}
        cell = gathered.setdefault(result.unit.scenario.name, {}).setdefault(result.unit.arm, {})
        for name, value in numbers.items():
            if isinstance(value, int | float):
                cell.setdefault(name, []).append(float(value))
    return {
        scenario: {
            arm: {name: float(np.mean(values)) for name, values in cell.items()}
            for arm, cell in arms.items()
        }
        for scenario, arms in gathered.items()
    }
