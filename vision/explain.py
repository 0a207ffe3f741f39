"""Grad-CAM heatmaps: where in an image a grade or a finding comes from.

Gradients are multiplied with features place by place (HiResCAM, Draelos and Carin 2020). For
heads on a mean over all places this is Grad-CAM; for heads on regions Grad-CAM would spread
what one region says over all of them. Grad-CAM is the best of seven methods on chest X-rays and
still well below radiologists (Saporta et al. 2022): a map shows what the model used, not where
the disease is. docs/heatmaps.md has what ours are worth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from vision.tower import ImageTower, TowerOutput

Heatmaps = NDArray[np.float32]
Target = Callable[[TowerOutput], Tensor]
OVERLAY_STRENGTH = 0.55
COLD = (255.0, 210.0, 0.0)
HOT = (230.0, 0.0, 0.0)


def explain_severity(tower: ImageTower, images: Tensor) -> Heatmaps:
    """Grad-CAM on the expected grade E[y] = Σ P(y > k), one map per image.

    images: [n, 1, h, w], prepared. Returns float32 [n, h, w] in [0, 1]; each map's maximum is
    one, except where nothing speaks for a higher grade (all zero). Selvaraju et al. 2017.
    """
    return explain(tower, images, expected_grade)


def explain_finding(tower: ImageTower, images: Tensor, finding: str) -> Heatmaps:
    """Grad-CAM on the logit of one of the tower's findings; shapes as `explain_severity`."""
    return explain(tower, images, finding_logit(tower, finding))


def expected_grade(graded: TowerOutput) -> Tensor:
    """Give E[y] of n images: [n], 0 to 3."""
    return graded.severity_logits.sigmoid().sum(dim=1)


def finding_logit(tower: ImageTower, finding: str) -> Target:
    """Give the function that takes a finding's logits [n] from the tower's output."""
    column = tower.settings.findings.index(finding)
    return lambda graded: graded.finding_logits[:, column]


def overlay(image: NDArray[np.float32], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay a heatmap [h, w] over a grey image [h, w], both in [0, 1]; gives RGB [h, w, 3]."""
    grey = np.repeat(image[:, :, None] * 255.0, 3, axis=2)
    heat = heatmap[:, :, None]
    colour = (1.0 - heat) * np.array(COLD) + heat * np.array(HOT)
    opacity = OVERLAY_STRENGTH * heat
    mixed: NDArray[np.uint8] = np.rint((1 - opacity) * grey + opacity * colour).astype(np.uint8)
    return mixed


def explain(tower: ImageTower, images: Tensor, target: Target) -> Heatmaps:
    """Grad-CAM on any number per image; shapes as `explain_severity`.

    The layer is the encoder's last feature map, which every encoder gives as [n, width, h', w'].
    """
    was_training = tower.training
    tower.eval()
    with torch.no_grad():
        features = tower.encoder(images)
    with torch.enable_grad():
        leaf = features.detach().requires_grad_()
        # Images don't mix in the heads, so that one sum gives every image its own gradient.
        (gradients,) = torch.autograd.grad(target(tower.grade_features(leaf)).sum(), leaf)
    tower.train(was_training)
    maps = (gradients * features).sum(dim=1, keepdim=True).relu()
    maps = interpolate(maps, size=images.shape[2:], mode="bilinear", align_corners=False)
    maps = maps.squeeze(1)
    peaks = maps.amax(dim=(1, 2), keepdim=True)
    scaled: Heatmaps = (maps / peaks.clamp_min(torch.finfo(maps.dtype).tiny)).cpu().numpy()
    return scaled
