"""Findings beside edema that change the same pixels: effusion, opacity, atelectasis and others."""

from __future__ import annotations

import numpy as np

from data_cards.phantom.anatomy import Chest
from data_cards.phantom.causal import Place, StudyState
from data_cards.phantom.raster import (
    RIGHT,
    Field,
    bezier,
    bump,
    ellipse,
    points_for,
    ramp,
    smooth_noise,
    splat,
)

ZONE_ROWS = {"upper": 0.22, "mid": 0.50, "lower": 0.76}
"""Where a zone's middle lies between apex and base."""


def draw_filling(chest: Chest, state: StudyState, rng: np.random.Generator) -> None:
    """Draw what takes the place of air: effusion and focal opacity; before the vessels."""
    for side in (RIGHT, -RIGHT):
        if side in state.effusions:
            _effusion(chest, side, state.effusions[side])
    if state.opacity:
        _opacity(chest, state.opacity, rng)


def draw_nuisances(chest: Chest, state: StudyState, rng: np.random.Generator) -> None:
    """Draw what lies in front of vessels: bands, lines, spots and steps."""
    if state.atelectasis:
        _atelectasis(chest, state.atelectasis, rng)
    if state.pneumothorax:
        _pneumothorax(chest, state.pneumothorax)
    if state.nodule:
        _nodule(chest, state.nodule, rng)
    if state.fracture:
        _fracture(chest, state.fracture)


def _mark(chest: Chest, sign: str, where: Field) -> None:
    before = chest.bits.get(sign)
    chest.bits[sign] = where if before is None else np.maximum(before, where)


def _effusion(chest: Chest, side: int, height: float) -> None:
    """Fluid with a meniscus that climbs the lateral wall; in AP it also veils the lung above."""
    side_x = chest.grid.x * side
    level = chest.base - 0.09 - 0.50 * height
    climb = np.square(np.clip(side_x / np.float32(chest.build.width), 0, 1.1))
    surface = level + 0.10 - (0.16 + 0.12 * height) * climb
    fluid = ramp(chest.grid.y - surface, 0.05) * chest.lung * chest.side(side)
    chest.fill(np.float32(0.97) * fluid)
    chest.attenuation += np.float32(0.10) * fluid
    if chest.view == "AP":
        veil = np.clip((chest.grid.y - chest.apex) / (level - chest.apex), 0, 1) ** 2
        chest.fill(np.float32(0.32 * height) * veil * chest.side(side))
    _mark(chest, "effusion", fluid)


def _spot(chest: Chest, place: Place, outward: float) -> tuple[float, float]:
    y = chest.apex + ZONE_ROWS[place.zone] * (chest.base - chest.apex)
    return place.side * (0.14 + outward * (chest.wall(y) - 0.14)), y


def _opacity(chest: Chest, place: Place, rng: np.random.Generator) -> None:
    """A cloudy patch of consolidation in one zone."""
    centre = _spot(chest, place, rng.uniform(0.3, 0.7))
    radii = (rng.uniform(0.15, 0.27), rng.uniform(0.13, 0.24))
    clouds = smooth_noise(rng, chest.grid.size, 15)
    radius = ellipse(chest.grid, centre, radii) + 0.22 * clouds
    patch = ramp(0.85 - radius, 0.7) * chest.lung * chest.side(place.side)
    chest.fill(np.float32(0.62 * place.strength) * patch)
    _mark(chest, "opacity", patch * 1.4)


def _atelectasis(chest: Chest, place: Place, rng: np.random.Generator) -> None:
    """Plate-like bands above the diaphragm, or across the mid lung."""
    x, y = _spot(chest, place, 0.5)
    bands = 1 + int(rng.random() < 0.6)
    low = y - 0.02 + 0.07 * np.arange(bands) + rng.normal(0, 0.02, bands)
    half = rng.uniform(0.10, 0.2, bands)
    tilt = rng.normal(0, 0.05, bands)
    starts = np.stack([x - half, low - tilt], 1).astype(np.float32)
    ends = np.stack([x + half, low + tilt], 1).astype(np.float32)
    bends = (starts + ends) / 2 + np.array([[0, 0.015]], np.float32)
    curves = bezier(starts, bends, ends, points_for(chest.grid, 0.4))
    band = splat(chest.grid, [(curves, 0.26 * place.strength)], 0.012) * chest.lung
    chest.attenuation += band
    _mark(chest, "atelectasis", band * 5)


def _pneumothorax(chest: Chest, place: Place) -> None:
    """Air without vessels outside of a thin pleural line, widest at the apex."""
    y = chest.grid.y
    above = np.clip((chest.apex + 0.75 - y) / 0.75, 0, 1)
    gap = np.float32(0.11 * place.strength) * np.sqrt(above)
    line = bump(chest.inside - gap, 0.014) * (gap > 0.015) * chest.side(place.side)
    line = line * (np.abs(chest.grid.x) > 0.16)
    space = ramp(gap - chest.inside, 0.015) * chest.lung * chest.side(place.side) * (gap > 0.015)
    chest.attenuation += np.float32(0.13) * line - np.float32(0.10) * space
    _mark(chest, "pneumothorax", np.maximum(line, space).astype(np.float32))


def _nodule(chest: Chest, place: Place, rng: np.random.Generator) -> None:
    """One round dense spot of 8 to 20 mm."""
    centre = _spot(chest, place, rng.uniform(0.35, 0.85))
    radius = 0.028 * place.strength
    spot = ramp(1 - ellipse(chest.grid, centre, (radius, radius)), 0.5)
    chest.attenuation += np.float32(0.20) * spot * chest.lung
    _mark(chest, "nodule", spot)


def _fracture(chest: Chest, place: Place) -> None:
    """A step in the cortex of one lateral rib, with a little callus."""
    x, y = _spot(chest, place, 0.93)
    points = [(x - 0.05, y - 0.03), (x, y - 0.005), (x, y + 0.015), (x + 0.05, y + 0.045)]
    ends = np.array(points, np.float32).reshape(2, 2, 2)
    curves = bezier(ends[:, 0], ends.mean(1), ends[:, 1], points_for(chest.grid, 0.08))
    step = splat(chest.grid, [(curves, 0.16 * place.strength)], 0.009)
    callus = bump(ellipse(chest.grid, (x, y), (0.045, 0.04)), 1.0)
    chest.attenuation += step + np.float32(0.07) * callus
    _mark(chest, "fracture", np.maximum(step * 6, callus * 1.5))
