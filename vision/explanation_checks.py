"""Are heatmaps worth anything? Grad-CAM of a grader against what a phantom is known to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vision.explain import explain
from vision.explained_cases import (
    BATCH,
    Example,
    ExplainedCases,
    explain_cases,
    explained_score,
    explained_value,
    prepare_files,
)
from vision.explanation_scores import (
    energy_inside,
    pointing_hit,
    rank_correlation,
    widen,
)
from vision.explanation_table import (
    DELETION,
    HEATMAP,
    INSERTION,
    Comparison,
    Values,
    compare,
    mean_intervals,
)
from vision.grader import Grader
from vision.intervals import Interval
from vision.phantom_cases import PhantomCase, draw_cases, draw_replacements, list_targets
from vision.removal_curves import (
    RemovalCurves,
    centre_map,
    curve_area,
    random_map,
    removal_curves,
    shrink_mask,
)
from vision.weight_randomisation import randomise_cascading

TOLERANCE_SHARE = 0.03
"""Distance from a sign that still hits it, as a share of the side: 15 of 500 pixels in Zhang et
al. 2018."""

OTHER_MAP, RANDOM_MAP, CENTRE_MAP = "another image's map", "random map", "blurred centre"
SIGN_MAP = "what is drawn"
IMAGE_AREA, LUNG_AREA = "even over the image", "even over the lungs"
EXAMPLES = 6


class ExplanationCheckError(ValueError):
    """Checks that can't be made; the message says what was expected."""


@dataclass(frozen=True)
class CheckPlan:
    """How many images of which split are drawn per target, and how finely they are checked.

    steps: of the deletion and insertion curves; resamples: bootstrap draws of patients.
    """

    split: str = "test"
    images: int = 200
    steps: int = 16
    resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class TargetChecks:
    """What the heatmaps of one target are worth.

    empty_maps: images where nothing speaks for the target; they miss in the pointing game and
    have no energy. curves: mean scores while pixels go and come, by map. randomised: mean |ρ|
    with the maps of the trained weights, after each stage of disorder.
    """

    target: str
    images: int
    patients: int
    empty_maps: int
    comparisons: tuple[Comparison, ...]
    curves: dict[str, RemovalCurves]
    randomised: dict[str, Interval | None]
    examples: tuple[Example, ...]


def check_explanations(grader: Grader, phantom: Path, plan: CheckPlan) -> list[TargetChecks]:
    """Check the heatmaps of severity and of every finding that the phantom has masks for.

    Targets that all images of the split show, or none, are left out. Raises
    ExplanationCheckError when that leaves none, CorpusError when the phantom's truth can't be
    read. The same seed gives the same numbers on the same machine.
    """
    checks = []
    for target in list_targets(grader.tower.settings.findings):
        rng = np.random.default_rng(plan.seed)
        cases = draw_cases(phantom, target, split=plan.split, images=plan.images, rng=rng)
        without = draw_replacements(phantom, target, split=plan.split, images=len(cases), rng=rng)
        if without:
            explained = explain_cases(grader, target, cases)
            checks.append(_check_target(explained, prepare_files(grader, without), plan))
    if not checks:
        raise ExplanationCheckError(
            f"{phantom}: no target has frontal images with and without it in split {plan.split!r}"
        )
    return checks


def _check_target(explained: ExplainedCases, without: Tensor, plan: CheckPlan) -> TargetChecks:
    patients = [case.patient for case in explained.cases]
    curves = _remove_pixels(explained, without, plan)
    drawing = {"seed": plan.seed, "resamples": plan.resamples}
    checks = {**_localise(explained), **_measure_areas(curves)}
    return TargetChecks(
        target=explained.target,
        images=len(patients),
        patients=len(set(patients)),
        empty_maps=int((explained.maps.max(axis=(1, 2)) == 0).sum()),
        comparisons=compare(checks, patients, **drawing),
        curves={
            name: RemovalCurves(*np.mean([one[name] for one in curves], axis=0))
            for name in curves[0]
        },
        randomised=mean_intervals(_randomise(explained, plan.seed), patients, **drawing),
        examples=tuple(explained.examples[:EXAMPLES]),
    )


def _localise(explained: ExplainedCases) -> dict[str, Values]:
    """Play the pointing game and measure energy, image by image, at full resolution."""
    pointing, in_sign, in_lungs = [], [], []
    others = _choose_others(explained.cases)
    for case, example, other in zip(explained.cases, explained.examples, others, strict=True):
        hit = widen(case.sign, TOLERANCE_SHARE * max(case.sign.shape))
        rows, columns = hit.shape
        elsewhere = explained.examples[other].heatmap
        pointing.append(
            {
                HEATMAP: pointing_hit(example.heatmap, hit),
                "random point": hit.mean(),
                "random point in the lungs": hit[case.lungs].mean(),
                "image centre": float(hit[rows // 2, columns // 2]),
                OTHER_MAP: pointing_hit(elsewhere, hit),
            }
        )
        in_sign.append(
            {
                HEATMAP: energy_inside(example.heatmap, case.sign),
                IMAGE_AREA: case.sign.mean(),
                LUNG_AREA: case.sign[case.lungs].mean(),
                OTHER_MAP: energy_inside(elsewhere, case.sign),
            }
        )
        in_lungs.append(
            {
                HEATMAP: energy_inside(example.heatmap, case.lungs),
                IMAGE_AREA: case.lungs.mean(),
            }
        )
    named = {"pointing game": pointing, "energy in the sign": in_sign}
    named["energy in the lungs"] = in_lungs
    return {
        check: {name: np.array([row[name] for row in rows]) for name in rows[0]}
        for check, rows in named.items()
    }


def _choose_others(cases: Sequence[PhantomCase]) -> list[int]:
    """Give each case the next one of another patient; its own where there is none."""
    count = len(cases)
    return [
        next(
            (
                (number + step) % count
                for step in range(1, count)
                if cases[(number + step) % count].patient != case.patient
            ),
            number,
        )
        for number, case in enumerate(cases)
    ]


def _remove_pixels(
    explained: ExplainedCases, without: Tensor, plan: CheckPlan
) -> list[dict[str, RemovalCurves]]:
    tower, rng = explained.tower, np.random.default_rng(plan.seed)
    score = explained_score(tower, explained.target)
    side = explained.maps.shape[-1]
    cells = int(tower.encoder(explained.prepared[:1]).shape[-1])
    curves = []
    bar = tqdm(explained.maps, desc=f"{explained.target}: deletion, insertion", unit="image")
    images = zip(explained.prepared, without, bar, explained.cases, strict=True)
    for image, replacement, heatmap, case in images:
        maps = {
            HEATMAP: heatmap,
            RANDOM_MAP: random_map(side, cells, rng),
            CENTRE_MAP: centre_map(side),
            SIGN_MAP: shrink_mask(case.sign, side),
        }
        curves.append(
            removal_curves(
                lambda x: score(tower(x)),
                image,
                replacement,
                maps=maps,
                steps=plan.steps,
                rng=rng,
            )
        )
    return curves


def _measure_areas(curves: Sequence[dict[str, RemovalCurves]]) -> dict[str, Values]:
    return {
        kind: {
            name: np.array([curve_area(getattr(one[name], kind)) for one in curves])
            for name in curves[0]
        }
        for kind in (DELETION, INSERTION)
    }


def _randomise(explained: ExplainedCases, seed: int) -> Values:
    stages = {}
    bar = tqdm(desc=f"{explained.target}: random weights", unit="stage")
    for stage, tower in randomise_cascading(explained.tower, seed=seed):
        target = explained_value(tower, explained.target)
        maps = [explain(tower, batch, target) for batch in torch.split(explained.prepared, BATCH)]
        pairs = zip(explained.maps, np.concatenate(maps), strict=True)
        stages[stage] = np.array([abs(rank_correlation(ours, theirs)) for ours, theirs in pairs])
        bar.update()
    bar.close()
    return stages
