"""The lateral chest, kept simple: one lung field, heart, spine, domes, and the study's signs."""

from __future__ import annotations

import numpy as np

from data_cards.phantom.anatomy import LUNG_AIR, Chest
from data_cards.phantom.causal import Build, StudyState
from data_cards.phantom.raster import (
    RIGHT,
    Field,
    Grid,
    bezier,
    bump,
    ellipse,
    points_for,
    ramp,
    smooth_noise,
    splat,
)
from data_cards.phantom.signs import PATCH_CELLS, TEXTURE_CELLS, SignStrengths

SPINE_X, STERNUM_X = 0.50, -0.62
BRANCHES = 34


def draw_lateral(grid: Grid, build: Build, state: StudyState) -> Chest:
    """Draw the healthy lateral view: the patient faces the image's left."""
    x, y = grid.x, grid.y
    apex, base = -0.80 * build.height, 0.66 * build.height + 0.06 * state.inspiration
    spine = SPINE_X + 0.16 - 0.24 * np.square(y - 0.05)
    front = STERNUM_X + 0.30 * np.square(np.clip(-0.1 - y, 0, None)) * 2.2 + 0.03 * y
    lean = (x - STERNUM_X) / (SPINE_X - STERNUM_X)
    dome = base - 0.24 + 0.55 * np.clip(lean - 0.45, 0, None) ** 2 + 0.20 * np.square(lean - 0.45)
    top = apex + 0.9 * np.square(x - 0.10)
    inside = np.minimum(np.minimum(spine - x, x - front), np.minimum(dome - y, y - top) * 0.8)
    inside = inside.astype(np.float32)
    lung = ramp(inside, 0.02)
    air = lung * (0.5 + 0.5 * ramp(inside - 0.1, 0.2))
    hilum = (0.02, -0.08)
    chest = Chest(
        grid,
        "LATERAL",
        build,
        _body(grid, build),
        inside,
        lung,
        air,
        spine.astype(np.float32),
        dome.astype(np.float32),
        apex,
        base,
        dict.fromkeys((RIGHT, -RIGHT), hilum),
        {},
    )
    chest.attenuation -= np.float32(LUNG_AIR * build.aeration) * air
    _draw_heart_and_bones(chest, state, front)
    return chest


def _body(grid: Grid, build: Build) -> Field:
    x, y = grid.x, grid.y
    half = 0.86 - 0.28 * ramp(-0.72 - y, 0.35) + 0.05 * y
    torso = np.sqrt(np.clip(1 - (np.abs(x) / half) ** 4, 0, 1))
    arm = ramp(0.16 - np.abs(x + 0.15 + 0.5 * (y + 1)), 0.1) * ramp(-0.62 - y, 0.3)
    body: Field = (build.thickness * (0.95 * torso + 0.12 * ramp(y - 0.4, 0.8) * torso)).astype(
        np.float32
    )
    return body + np.float32(0.22) * arm


def _draw_heart_and_bones(chest: Chest, state: StudyState, front: Field) -> None:
    grid, x, y = chest.grid, chest.grid.x, chest.grid.y
    out = chest.attenuation
    half = state.heart_ratio * 0.62
    along = (x + 0.24) * 0.8 + (y - chest.base + 0.36) * 0.6
    beside = (y - chest.base + 0.36) * 0.8 - (x + 0.24) * 0.6
    heart = np.sqrt(np.square(along / (1.15 * half)) + np.square(beside / (0.95 * half)))
    shape = ramp(1 - heart, 0.35)
    out += 0.26 * shape * (0.3 + 0.7 * chest.lung)
    arch = np.abs(ellipse(grid, (0.10, -0.22), (0.20, 0.20)) - 1)
    out += np.float32(0.12) * bump(arch, 0.28) * ramp(0.15 - y, 0.3) * chest.lung
    out -= (
        np.float32(0.10)
        * ramp(0.04 - np.abs(x - 0.02 - 0.1 * (y + 0.5)), 0.02)
        * ramp(-0.2 - y, 0.1)
    )
    column = ramp(0.095 - np.abs(x - chest.lateral - 0.03), 0.03)
    vertebra = np.abs(np.mod(y * np.float32(1 / 0.14) + chest.build.rib_phase, 1) - 0.5)
    out += 0.22 * column * (0.65 + 0.35 * ramp(0.40 - vertebra, 0.10))
    out += (
        np.float32(0.12) * bump(x - front + 0.03, 0.035) * ramp(0.35 - y, 0.2) * ramp(y + 0.6, 0.2)
    )
    ribs = np.abs(np.mod((y - 0.30 * x) / np.float32(0.15) + chest.build.rib_phase, 1) - 0.5)
    out += (
        np.float32(0.05 * chest.build.rib_density)
        * bump(ribs - 0.2, 0.12)
        * ramp(chest.inside, 0.1)
    )
    chest.bits["heart"] = shape


def draw_lateral_signs(
    chest: Chest, state: StudyState, strengths: SignStrengths, rng: np.random.Generator
) -> None:
    """Draw edema, effusion, opacity and atelectasis as they look from the side."""
    grid = chest.grid
    hx, hy = chest.hila[RIGHT]
    v, i, a = strengths.vascular, strengths.interstitial, strengths.alveolar
    fine = smooth_noise(rng, grid.size, TEXTURE_CELLS)
    clouds = smooth_noise(rng, grid.size, PATCH_CELLS)
    vessels = splat(
        grid, [(_vessels(chest, rng), 0.05 * (1 + 0.3 * v))], 0.011 * (1 + 0.5 * min(i, 1.6))
    )
    chest.attenuation += vessels * chest.air
    chest.attenuation += (0.13 + 0.09 * v) * bump(ellipse(grid, (hx, hy), (0.2, 0.24)), 1.0)
    net = np.clip(1 - np.abs(fine), 0, 1) * chest.air
    chest.attenuation += net * np.float32(0.03 * chest.build.markings + 0.10 * i)
    fissures = splat(grid, [(_fissures(chest), 0.03 + 0.11 * i)], 0.006)
    chest.attenuation += fissures * chest.lung
    haze = bump(ellipse(grid, (hx, hy + 0.12), (0.5, 0.55)), 1.1)
    haze *= np.clip(0.8 + 0.35 * clouds, 0.1, 1.5)
    chest.fill(np.float32(0.7 * min(a, 1.5)) * haze)
    if i > 0.35:
        chest.bits["interstitial"] = fissures * chest.lung * 8 + net * np.float32(0.6 * i)
    if a > 0.35:
        chest.bits["alveolar"] = haze * min(a, 1.5) * chest.lung
    _draw_lateral_nuisances(chest, state, clouds)


def _draw_lateral_nuisances(chest: Chest, state: StudyState, clouds: Field) -> None:
    grid = chest.grid
    if state.effusions:
        height = max(state.effusions.values())
        surface = chest.base + 0.02 - 0.42 * height - 0.16 * np.square(grid.x)
        fluid = ramp(grid.y - surface, 0.05) * chest.lung * ramp(grid.x - 0.05, 0.3)
        chest.fill(np.float32(0.9) * fluid)
        chest.bits["effusion"] = fluid
    rows = {"upper": -0.45, "mid": -0.1, "lower": 0.22}
    if state.opacity:
        centre = (0.30 if state.opacity.zone == "lower" else -0.1, rows[state.opacity.zone])
        radius = ellipse(grid, centre, (0.24, 0.2)) + 0.22 * clouds
        patch = ramp(0.85 - radius, 0.7) * chest.lung
        chest.fill(np.float32(0.55 * state.opacity.strength) * patch)
        chest.bits["opacity"] = patch * 1.4
    if state.atelectasis:
        y = rows[state.atelectasis.zone]
        ends = np.array([[[0.05, y]], [[0.22, y + 0.03]], [[0.4, y + 0.02]]], np.float32)
        curve = bezier(ends[0], ends[1], ends[2], points_for(grid, 0.4))
        band = splat(grid, [(curve, 0.22 * state.atelectasis.strength)], 0.012) * chest.lung
        chest.attenuation += band
        chest.bits["atelectasis"] = band * 5


def _vessels(chest: Chest, rng: np.random.Generator) -> Field:
    angles = np.linspace(0, 2 * np.pi, BRANCHES, endpoint=False) + rng.normal(0, 0.15, BRANCHES)
    ways = np.stack([np.cos(angles), np.sin(angles)], 1)
    hilum = np.array(chest.hila[RIGHT])
    ends = hilum + ways * rng.uniform(0.25, 0.5, (BRANCHES, 1))
    bends = (hilum + ends) / 2 + rng.normal(0, 0.04, ends.shape)
    starts = hilum + 0.04 * ways
    knots = [part.astype(np.float32) for part in (starts, bends, ends)]
    return bezier(knots[0], knots[1], knots[2], points_for(chest.grid, 0.5))


def _fissures(chest: Chest) -> Field:
    hx, hy = chest.hila[RIGHT]
    points = [
        [(hx, hy + 0.05), (0.45, -0.5)],
        [(hx - 0.2, hy + 0.06), (0.2, -0.15)],
        [(-0.5, hy + 0.02), (-0.3, chest.base - 0.2)],
    ]
    starts, bends, ends = (np.array(part, np.float32) for part in points)
    return bezier(starts, bends, ends, points_for(chest.grid, 0.8))
