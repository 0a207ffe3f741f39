"""The signs of pulmonary edema in clinical order, each as strong as the study's state says.

Redistribution to the upper zones, large and blurred hila; then Kerley B lines, reticular markings,
peribronchial cuffs and thick fissures; then perihilar (bat-wing) air-space haze.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_cards.phantom.anatomy import Chest, grow_vessels
from data_cards.phantom.raster import (
    LEFT,
    RIGHT,
    Field,
    Stroke,
    bezier,
    bump,
    ellipse,
    points_for,
    smooth_noise,
    splat,
)

TEXTURE_CELLS = 84
PATCH_CELLS = 13
KERLEY_LINES = 16


@dataclass(frozen=True)
class SignStrengths:
    """How strong each sign is on one image; about 1 where its severity is fully there."""

    vascular: float
    interstitial: float
    alveolar: float


def draw_vessels(chest: Chest, strengths: SignStrengths) -> None:
    """Draw hila and vessels: gravity makes the lower ones wider until redistribution sets in."""
    grid, v = chest.grid, strengths.vascular
    starts, bends, ends, calibres = grow_vessels(chest)
    middle = chest.hila[RIGHT][1] + 0.03
    height = np.clip((middle - ends[:, 1]) / 0.25, -1, 1)
    upper, lower = 0.60 + 0.52 * v, 1.12 - 0.10 * v
    gain = lower + (upper - lower) * (height + 1) / 2
    calibres = calibres * gain
    blur = 1 + 0.5 * min(strengths.interstitial, 1.6) + 0.15 * v
    vessels = np.zeros_like(chest.air)
    for low, high, sigma in ((0.5, 9.0, 0.0125), (0.0, 0.5, 0.006)):
        pick = (calibres >= low) & (calibres < high)
        curves = bezier(starts[pick], bends[pick], ends[pick], points_for(grid, 0.19))
        weights = 0.12 * chest.build.vessels * calibres[pick] / blur**0.6
        vessels += splat(grid, [(curves, weights)], sigma * blur)
    vessels *= np.minimum(chest.air * 1.4, 1)
    chest.attenuation += vessels * (1 + 0.18 * v)
    for side in (RIGHT, LEFT):
        hx, hy = chest.hila[side]
        wide = 1 + 0.30 * v
        hilum = bump(ellipse(grid, (hx, hy), (0.13 * wide, 0.19 * wide)), 1.0)
        chest.attenuation += (
            (0.12 + 0.07 * v) * hilum * (chest.lung - 0.9 * chest.bits["heart"]).clip(0)
        )
    zone = np.clip((np.float32(middle) - grid.y) / 0.2, 0, 1)
    chest.bits["vascular"] = vessels * zone * (v > 0.35) * 6


def draw_interstitium(chest: Chest, strengths: SignStrengths, rng: np.random.Generator) -> None:
    """Draw reticular markings (a little in every lung), Kerley lines, cuffs and fissures."""
    i = strengths.interstitial
    grid = chest.grid
    fine = smooth_noise(rng, grid.size, TEXTURE_CELLS)
    patchy = smooth_noise(rng, grid.size, PATCH_CELLS)
    net = np.clip(1 - np.abs(fine), 0, 1)
    below = 0.55 + 0.45 * np.clip((grid.y - chest.hila[RIGHT][1]) / 0.5, -1, 1)
    amount = 0.036 * chest.build.markings + 0.09 * i * np.clip(below + 0.25 * patchy, 0.15, None)
    chest.attenuation += net * amount * chest.air + np.float32(0.03 * i) * chest.air * below
    lines: list[Stroke] = [
        (_kerley_lines(chest, rng), 0.14 * min(i, 1.5)),
        (_cuffs(chest, rng), 0.05 + 0.10 * i),
        (_fissure(chest), 0.03 + 0.10 * i),
    ]
    thin = splat(grid, lines, 0.0048) * chest.lung
    chest.attenuation += thin
    if i > 0.35:
        chest.bits["interstitial"] = thin * 8 + net * amount * chest.air * 5


def _kerley_lines(chest: Chest, rng: np.random.Generator) -> Field:
    """Short horizontal lines that reach the pleura at the bases: [lines, points, 2]."""
    sides = np.where(np.arange(KERLEY_LINES) % 2, LEFT, RIGHT)
    low, high = chest.base - 0.52, chest.base - 0.08
    y = np.linspace(low, high, KERLEY_LINES) + rng.normal(0, 0.012, KERLEY_LINES)
    wall = chest.walls(y.astype(np.float32)) - rng.uniform(0.012, 0.03, KERLEY_LINES)
    inner = wall - rng.uniform(0.06, 0.13, KERLEY_LINES)
    starts = np.stack([sides * wall, y], 1).astype(np.float32)
    ends = np.stack([sides * inner, y + rng.normal(0, 0.010, KERLEY_LINES)], 1).astype(np.float32)
    return bezier(starts, (starts + ends) / 2, ends, points_for(chest.grid, 0.11))


def _cuffs(chest: Chest, rng: np.random.Generator) -> Field:
    """Rings of bronchi seen end-on beside the hila: [rings, points, 2]."""
    sides = np.array([RIGHT, RIGHT, LEFT, LEFT])
    hila = np.array([chest.hila[int(side)] for side in sides])
    offset = np.stack([sides * rng.uniform(0.05, 0.15, 4), rng.uniform(-0.15, 0.12, 4)], 1)
    turn = np.linspace(0, 2 * np.pi, points_for(chest.grid, 0.15))
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    radius = rng.uniform(0.014, 0.022, 4)[:, None, None]
    rings: Field = ((hila + offset)[:, None] + radius * circle).astype(np.float32)
    return rings


def _fissure(chest: Chest) -> Field:
    """The minor fissure: hilum to right lateral wall."""
    hx, hy = chest.hila[RIGHT]
    y = hy + 0.07
    points = [(hx, y), (hx - 0.25, y - 0.02), (-chest.wall(y), y + 0.03)]
    start, bend, end = (np.array([point], np.float32) for point in points)
    return bezier(start, bend, end, points_for(chest.grid, 0.6))


def draw_airspace_edema(chest: Chest, strengths: SignStrengths, rng: np.random.Generator) -> None:
    """Draw patchy haze around the hila that spares the periphery until it is strong."""
    a = strengths.alveolar
    grid = chest.grid
    clouds = smooth_noise(rng, grid.size, PATCH_CELLS) + 0.6 * smooth_noise(rng, grid.size, 30)
    tilt = rng.normal(0, 0.18)
    if a < 0.02:
        return
    haze = np.zeros_like(chest.air)
    for side in (RIGHT, LEFT):
        hx, hy = chest.hila[side]
        reach = 1 + 0.22 * a
        wing = ellipse(grid, (hx + side * 0.10, hy + 0.12), (0.36 * reach, 0.50 * reach))
        haze += bump(wing, 1.35) * chest.side(side) * np.float32(1 + side * tilt)
    haze *= np.clip(0.80 + 0.35 * clouds, 0.1, 1.5)
    chest.fill(np.float32(1.05 * min(a, 1.3)) * haze)
    if a > 0.35:
        chest.bits["alveolar"] = haze * min(a, 1.3) * chest.lung
