"""Support devices: tubes, lines, pacemakers, leads and wires, drawn as dense curves."""

from __future__ import annotations

import numpy as np

from data_cards.phantom.anatomy import Chest
from data_cards.phantom.raster import Field, Stroke, bezier, ellipse, points_for, ramp, splat

DEVICE_SIGMA = 0.006
Point = tuple[float, float]


def draw_devices(chest: Chest, devices: tuple[str, ...], rng: np.random.Generator) -> None:
    """Draw the named devices; positions are drawn anew for each image, as patients move."""
    if not devices:
        return
    strokes: list[Stroke] = []
    solid = np.zeros_like(chest.air)
    draw = {
        "endotracheal tube": _endotracheal_tube,
        "enteric tube": _enteric_tube,
        "central line": _central_line,
        "pacemaker": _pacemaker,
        "leads": _leads,
        "sternotomy wires": _sternotomy_wires,
    }
    for device in devices:
        solid += draw[device](chest, strokes, rng)
    drawn = solid + splat(chest.grid, strokes, DEVICE_SIGMA)
    chest.attenuation += drawn
    chest.bits["device"] = drawn * 5


def _path(chest: Chest, points: list[Point], weight: float) -> Stroke:
    """A smooth path: quadratic pieces between the midpoints of the given points."""
    knots = np.array(points, np.float32)
    middles = (knots[:-1] + knots[1:]) / 2
    joints = np.concatenate([knots[:1], middles, knots[-1:]])
    bends = np.concatenate([middles[:1], knots[1:-1], middles[-1:]])
    starts, ends = joints[:-1], joints[1:]
    longest = float(np.hypot(*(ends - starts).T).max())
    return bezier(starts, bends, ends, points_for(chest.grid, longest * 1.2)), weight


def _endotracheal_tube(
    chest: Chest, strokes: list[Stroke], rng: np.random.Generator
) -> Field | float:
    tip = rng.uniform(-0.46, -0.36)
    for off, weight in ((-0.016, 0.15), (0.016, 0.15), (0.010, 0.08)):
        points = [(0.010 + off, -1.05), (0.012 + off, -0.7), (0.014 + off, tip)]
        strokes.append(_path(chest, points, weight))
    return 0.0


def _enteric_tube(chest: Chest, strokes: list[Stroke], rng: np.random.Generator) -> Field | float:
    end = chest.base + rng.uniform(0.02, 0.25)
    points = [(0.0, -1.05), (0.02, -0.4), (0.035, 0.1), (0.06, chest.base - 0.15)]
    points += [(0.2, chest.base), (rng.uniform(0.25, 0.4), end)]
    strokes.append(_path(chest, points, 0.20))
    return 0.0


def _central_line(chest: Chest, strokes: list[Stroke], rng: np.random.Generator) -> Field | float:
    tip = (-0.085 + rng.normal(0, 0.01), rng.uniform(-0.2, 0.02))
    kind = rng.random()
    if kind < 0.45:  # jugular
        points = [(-0.2, -1.05), (-0.15, -0.8), (-0.10, -0.55), (-0.09, -0.3), tip]
    elif kind < 0.75:  # subclavian
        points = [(-0.75, -0.45), (-0.5, -0.62), (-0.22, -0.62), (-0.10, -0.45), tip]
    else:  # from the left arm
        points = [(1.0, -0.3), (0.7, -0.62), (0.3, -0.66), (0.0, -0.50), (-0.09, -0.35), tip]
    strokes.append(_path(chest, points, 0.20))
    return 0.0


def _pacemaker(chest: Chest, strokes: list[Stroke], rng: np.random.Generator) -> Field | float:
    x, y = 0.60 + rng.normal(0, 0.03), chest.apex + 0.30 + rng.normal(0, 0.02)
    radius = ellipse(chest.grid, (x, y), (0.115, 0.095))
    low = chest.base - 0.25
    lead = [(x - 0.08, y - 0.06), (0.3, y - 0.12), (0.0, y + 0.02), (-0.09, -0.3)]
    lead += [(-0.10, low - 0.15), (0.05, low + 0.02), (0.22, low - 0.02)]
    strokes.append(_path(chest, lead, 0.28))
    if rng.random() < 0.6:
        atrial = [(x - 0.08, y - 0.04), (0.28, y - 0.10), (-0.02, y + 0.05)]
        atrial += [(-0.10, -0.25), (-0.14, low - 0.22), (-0.06, low - 0.28)]
        strokes.append(_path(chest, atrial, 0.28))
    return 0.55 * ramp(1 - radius, 0.10) + 0.15 * ramp(0.72 - radius, 0.15)


def _leads(chest: Chest, strokes: list[Stroke], rng: np.random.Generator) -> Field | float:
    """Three monitoring electrodes and their wires, outside of the body."""
    discs = np.zeros_like(chest.air)
    spots: list[Point] = [(-0.55, -0.45), (0.55, -0.48), (0.6, 0.35)]
    for x, y in spots:
        disc = (x + rng.normal(0, 0.07), y + rng.normal(0, 0.07))
        discs += np.float32(0.18) * ramp(1 - ellipse(chest.grid, disc, (0.033, 0.033)), 0.3)
        bend = (disc[0] + rng.normal(0, 0.25), disc[1] + rng.uniform(0.2, 0.5))
        strokes.append(_path(chest, [disc, bend, (rng.uniform(-0.9, 0.9), 1.15)], 0.13))
    return discs


def _sternotomy_wires(
    chest: Chest, strokes: list[Stroke], rng: np.random.Generator
) -> Field | float:
    rows = np.linspace(-0.42, 0.25, 5) + rng.normal(0, 0.01, 5)
    turn = np.linspace(0, 2 * np.pi, points_for(chest.grid, 0.2))
    loop = np.stack([0.04 * np.cos(turn), 0.022 * np.sin(turn) + 0.012 * np.cos(turn)], 1)
    centres = np.stack([rng.normal(0.0, 0.008, 5), rows], 1)
    strokes.append(((centres[:, None] + loop).astype(np.float32), 0.26))
    return 0.0
