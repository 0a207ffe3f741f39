"""Phantom images with a grader's heatmaps of one target: what explanation checks work on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vision.explain import Heatmaps, Target, expected_grade, explain, finding_logit
from vision.explanation_scores import Map, Mask
from vision.framing import frame_image, read_for_framing, read_framed, unframe
from vision.grader import Grader
from vision.heads import THRESHOLDS
from vision.phantom_cases import SEVERITY, PhantomCase
from vision.torch_engine import prepare_for
from vision.tower import ImageTower

BATCH = 32


class Example(NamedTuple):
    """An image [h, w] in [0, 1], the mask of what is drawn, and the heatmap at full resolution."""

    image: Map
    sign: Mask
    heatmap: Map


@dataclass(frozen=True)
class ExplainedCases:
    """Cases as the tower sees them, `prepared` [n, 1, s, s], with its heatmaps `maps` [n, s, s].

    `examples` holds the same at the images' own resolution.
    """

    target: str
    cases: Sequence[PhantomCase]
    tower: ImageTower
    prepared: Tensor
    maps: Heatmaps
    examples: Sequence[Example]


def explain_cases(grader: Grader, target: str, cases: Sequence[PhantomCase]) -> ExplainedCases:
    """Read, frame and explain the cases, with a progress bar."""
    tower = grader.tower
    prepared, maps, examples = [], [], []
    bar = tqdm(total=len(cases), desc=f"{target}: heatmaps", unit="image")
    for batch in _batches(cases):
        xrays = [read_for_framing(case.path, grader.input) for case in batch]
        framed = [frame_image(xray, grader.input) for xray in xrays]
        prepared.append(prepare_for(tower, np.stack([one.pixels for one in framed])))
        maps.append(explain(tower, prepared[-1], explained_value(tower, target)))
        for case, xray, one, heatmap in zip(batch, xrays, framed, maps[-1], strict=True):
            full = unframe(heatmap, one.placement, case.sign.shape)
            examples.append(Example(xray.pixels, case.sign, full))
        bar.update(len(batch))
    bar.close()
    return ExplainedCases(target, cases, tower, torch.cat(prepared), np.concatenate(maps), examples)


def explained_value(tower: ImageTower, target: str) -> Target:
    """Give a function to what Grad-CAM takes the gradient of: E[y], or a finding's logit."""
    return expected_grade if target == SEVERITY else finding_logit(tower, target)


def explained_score(tower: ImageTower, target: str) -> Target:
    """Give a function to scores [n] in [0, 1]: a third of E[y], or a finding's probability."""
    value = explained_value(tower, target)
    if target == SEVERITY:
        return lambda graded: value(graded) / THRESHOLDS
    return lambda graded: value(graded).sigmoid()


def prepare_files(grader: Grader, files: Sequence[Path]) -> Tensor:
    """Prepare image files [n, 1, s, s] as the grader does."""
    framed = [read_framed(file, grader.input).pixels for file in files]
    return prepare_for(grader.tower, np.stack(framed))


def _batches(cases: Sequence[PhantomCase]) -> Iterator[Sequence[PhantomCase]]:
    for start in range(0, len(cases), BATCH):
        yield cases[start : start + BATCH]
