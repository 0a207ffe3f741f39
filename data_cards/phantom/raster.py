"""Drawing on a pixel grid in body coordinates: soft edges, splatted curves, smooth noise.

Body coordinates run from about −1 to 1: x to the image's right (the patient's left), y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Field = npt.NDArray[np.floating[Any]]
"""float32 array: `[size, size]` when it is a field on the grid."""

RIGHT, LEFT = -1, 1
"""Sides are the patient's; the patient's right lies at negative x."""

FINEST_SIGMA_PIXELS = 0.55


@dataclass(frozen=True)
class Grid:
    """Pixels of one image and the body coordinates under them.

    `x`, `y`: [size, size]. `scale` is pixels per body unit.
    """

    size: int
    scale: float
    rotation: float
    shift_x: float
    shift_y: float
    x: Field
    y: Field

    def to_pixels(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Map body coordinates to (column, row) in pixels."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        middle = (self.size - 1) / 2
        columns = (x * cos - y * sin + self.shift_x) * self.scale + middle
        rows = (x * sin + y * cos + self.shift_y) * self.scale + middle
        return columns, rows


def make_grid(
    size: int, *, zoom: float = 1.0, rotation: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)
) -> Grid:
    """Lay the grid: `zoom` 1 shows body coordinates −1.06 to 1.06; `rotation` in radians."""
    scale = size / 2.12 * zoom
    line = (np.arange(size, dtype=np.float32) - (size - 1) / 2) / np.float32(scale)
    across, down = line[None, :] - np.float32(shift[0]), line[:, None] - np.float32(shift[1])
    cos, sin = np.float32(math.cos(rotation)), np.float32(math.sin(rotation))
    x, y = across * cos + down * sin, down * cos - across * sin
    return Grid(size, scale, rotation, shift[0], shift[1], x, y)


def ramp(distance: Field, width: float) -> Field:
    """Rise smoothly from 0 to 1 while `distance` goes from −width/2 to width/2."""
    t = distance * np.float32(1 / width)
    t += np.float32(0.5)
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    rise = t * np.float32(-2)
    rise += np.float32(3)
    rise *= t
    rise *= t
    return rise


def bump(distance: Field, radius: float) -> Field:
    """Fall from 1 at distance 0 to 0 at `radius` (a Gaussian-like hill with an end)."""
    t = distance * np.float32(1 / radius)
    t *= t
    np.subtract(1, t, out=t)
    np.maximum(t, 0, out=t)
    t *= t
    return t


def ellipse(
    grid: Grid,
    centre: tuple[float, float],
    radii: tuple[float, float],
    *,
    mirrored: bool = False,
) -> Field:
    """Return the normalised radius about an ellipse: 0 in its centre, 1 on its edge.

    `mirrored` gives the nearer of two ellipses, one on each side of the body.
    """
    across = np.abs(grid.x) if mirrored else grid.x
    dx = (across - np.float32(centre[0])) * np.float32(1 / radii[0])
    dy = (grid.y - np.float32(centre[1])) * np.float32(1 / radii[1])
    radius: Field = np.sqrt(dx * dx + dy * dy)
    return radius


def bezier(start: Field, bend: Field, end: Field, points: int) -> Field:
    """Return quadratic curves: start, bend, end [curves, 2] → [curves, points, 2]."""
    t = np.linspace(0, 1, points, dtype=np.float32)[None, :, None]
    curves: Field = (
        (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * bend[:, None] + t**2 * end[:, None]
    )
    return curves


Stroke = tuple[Field, Field | float]
"""Curves [curves, points, 2] and the peak attenuation of each ([curves], or one for all)."""


def splat(grid: Grid, strokes: Sequence[Stroke], sigma: float) -> Field:
    """Draw strokes as soft lines of one half width `sigma` (body units) on an empty field.

    A line thinner than a pixel keeps its mass, so that it fades at low resolution as it does on
    a coarse detector.
    """
    sigma_pixels = sigma * grid.scale
    thickness = np.float32(math.sqrt(math.tau) * sigma_pixels)
    columns, rows, masses = [], [], []
    for curves, weights in strokes:
        column, row = grid.to_pixels(curves[..., 0], curves[..., 1])
        steps = _steps(column, row)
        mass = np.asarray(weights, np.float32) * steps * thickness
        columns.append(column.ravel())
        rows.append(row.ravel())
        masses.append(np.repeat(mass, column.shape[1]))
    points = (np.concatenate(part) for part in (columns, rows, masses))
    image = _deposit(grid.size, *points)
    blurred: Field = gaussian_filter(
        image, max(sigma_pixels, FINEST_SIGMA_PIXELS), truncate=2.7, mode="constant"
    )
    return blurred


def _steps(column: Field, row: Field) -> Field:
    """Mean pixel distance between neighbouring points of each curve: [curves]."""
    across, down = np.diff(column, axis=1), np.diff(row, axis=1)
    steps: Field = np.sqrt(across * across + down * down).mean(axis=1)
    return steps


def points_for(grid: Grid, length: float) -> int:
    """Return how many points a curve of this length (body units) needs to look unbroken."""
    return max(3, math.ceil(length * grid.scale))


def _deposit(size: int, column: Field, row: Field, mass: Field) -> Field:
    """Share each point's mass among the four pixels about it."""
    inside = (column > 0) & (column < size - 1) & (row > 0) & (row < size - 1)
    column, row, mass = column[inside], row[inside], mass[inside]
    left, top = column.astype(np.int32), row.astype(np.int32)
    dx, dy = column - left.astype(np.float32), row - top.astype(np.float32)
    index = top * np.int32(size) + left
    right = dx * mass
    left_mass = mass - right
    places = np.concatenate([index, index + 1, index + size, index + size + 1])
    shares = np.concatenate([left_mass * (1 - dy), right * (1 - dy), left_mass * dy, right * dy])
    image = np.bincount(places, shares, minlength=size * size)
    return image.reshape(size, size).astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> Field:
    """Return noise [size, size] of about unit variance, quadratic splines over `cells` knots.

    The draw does not depend on `size`, so one seed gives the same pattern at any resolution.
    """
    knots = rng.standard_normal((cells + 2, cells + 2), dtype=np.float32)
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / size)
    first = np.minimum(at.astype(np.int32), cells - 1)
    t = at - first.astype(np.float32)
    # 1.35 makes up for the variance that averaging takes away.
    weights = (0.675 * (1 - t) ** 2, 1.35 * (0.5 + t - t * t), 0.675 * t * t)
    down = sum(knots[first + k] * w[:, None] for k, w in enumerate(weights))
    field: Field = sum(down[:, first + k] * w for k, w in enumerate(weights))
    return field
