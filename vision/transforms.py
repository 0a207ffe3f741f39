"""Cached uint8 images to the encoder's input, and augmentations that a radiologist accepts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import grid_sample

from configs.settings import Settings
from vision.normalisation import DEVIATION, MEAN


class AugmentSettings(Settings):
    """The range of each change; a value is drawn evenly from ± the range for every image.

    `rotation_degrees` about the centre; `shift` as a share of the side; `scale`, `gain` and
    `contrast` as a share of 1; `gamma` as a power of two's exponent. There is no horizontal flip:
    the heart has a side, and reports say left and right.
    """

    rotation_degrees: float = Field(7.0, ge=0, le=45)
    shift: float = Field(0.04, ge=0, le=0.5)
    scale: float = Field(0.08, ge=0, lt=1)
    gain: float = Field(0.1, ge=0, lt=1)
    gamma: float = Field(0.25, ge=0, le=2)
    contrast: float = Field(0.15, ge=0, lt=1)


def prepare_images(images: Tensor) -> Tensor:
    """Turn uint8 [n, h, w] into float32 [n, 1, h, w], normalised: (pixel / 255 − mean) / sd."""
    return images.unsqueeze(1).to(torch.float32).div_(255.0).sub_(MEAN).div_(DEVIATION)


def augment_pairs(
    images: Tensor, masks: Tensor, settings: AugmentSettings, seeds: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Change images as `augment_images` does, and move their masks, uint8 [n, h, w], alike.

    A mask takes its nearest value, as values between two of its own would mean nothing; what comes
    from outside of the picture is 0.
    """
    changed = augment_images(images, settings, seeds)
    if not len(images):
        return changed, masks
    columns = _draw(images, seeds)
    grid = _sampling_grid(_place_anew(columns, settings), images.shape[2], images.shape[3])
    values = masks.unsqueeze(1).to(images.dtype)
    moved = grid_sample(values, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return changed, moved.squeeze(1).to(masks.dtype)


def augment_images(images: Tensor, settings: AugmentSettings, seeds: Sequence[int]) -> Tensor:
    """Change prepared images [n, 1, h, w], each by its own seed alone.

    One geometric resampling (rotation, scale, shift), then contrast, gamma and gain on the
    [0, 1] range. An image's result doesn't depend on what else is in the batch: the resampling
    is that of `affine` in torchvision's v2 transforms, whose own random classes would draw one
    change for the whole batch, from numbers that the order of calls decides.
    """
    if len(seeds) != len(images):
        raise ValueError(f"{len(seeds)} seeds for {len(images)} images; expected one each")
    if not len(images):
        return images
    columns = _draw(images, seeds)
    gain, gamma, contrast = columns[4:]
    grid = _sampling_grid(_place_anew(columns, settings), images.shape[2], images.shape[3])
    grey = (images * DEVIATION).add_(MEAN)
    grey = grid_sample(grey, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    # In place: at 2048² new memory for each line costs more than the line.
    if settings.contrast:
        grey.sub_(0.5).mul_(_spread(1.0 + contrast * settings.contrast)).add_(0.5)
    grey.clamp_(0.0, 1.0)
    if settings.gamma:
        grey.pow_(_spread(2.0 ** (gamma * settings.gamma)))
    if settings.gain:
        grey.mul_(_spread(1.0 + gain * settings.gain)).clamp_(0.0, 1.0)
    return grey.sub_(MEAN).div_(DEVIATION)


def _draw(images: Tensor, seeds: Sequence[int]) -> Sequence[Tensor]:
    """Draw rotation, down, right, scale, gain, gamma and contrast of each image, from −1 to 1."""
    draws = np.stack([np.random.default_rng(seed).uniform(-1.0, 1.0, 7) for seed in seeds])
    return torch.from_numpy(draws).to(images.device, images.dtype).unbind(dim=1)


def _place_anew(columns: Sequence[Tensor], settings: AugmentSettings) -> Tensor:
    rotation, down, right, scale = columns[:4]
    return _affine(
        rotation * math.radians(settings.rotation_degrees),
        1.0 + scale * settings.scale,
        2.0 * settings.shift * torch.stack([right, down], dim=1),
    )


def seed_row(seed: int, step: int, row: int) -> int:
    """Give the seed of a row's augmentation at a step: of nothing else, 0 to 2⁶³ − 1."""
    state = np.random.SeedSequence((seed, step, row)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _affine(angles: Tensor, scales: Tensor, shifts: Tensor) -> Tensor:
    """Output-to-input matrices [n, 2, 3] in the coordinates of `grid_sample`."""
    cosine, sine = angles.cos() / scales, angles.sin() / scales
    rows = torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(-1, 2, 2)
    return torch.cat([rows, shifts.unsqueeze(2)], dim=2)


def _sampling_grid(matrix: Tensor, height: int, width: int) -> Tensor:
    """Give what `affine_grid(…, align_corners=False)` does, [n, height, width, 2], for less.

    Each coordinate is a part of the column plus a part of the row; no product over all pixels.
    """
    across, down = (
        (torch.arange(side, device=matrix.device, dtype=matrix.dtype) * 2 + 1) / side - 1
        for side in (width, height)
    )
    by_column = matrix[:, :, 0, None] * across
    by_row = matrix[:, :, 1, None] * down + matrix[:, :, 2, None]
    grid = matrix.new_empty(len(matrix), height, width, 2)
    for axis in range(2):
        torch.add(by_column[:, axis, None, :], by_row[:, axis, :, None], out=grid[..., axis])
    return grid


def _spread(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)
