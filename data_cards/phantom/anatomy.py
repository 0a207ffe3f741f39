"""The frontal chest without disease: body, lungs, mediastinum, heart, bones, hila and vessels.

Everything is attenuation in arbitrary units (air 0, the spine of an adult about 1), summed along
the beam; `render.py` turns it into grey values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_cards.phantom.causal import Build, StudyState
from data_cards.phantom.raster import (
    LEFT,
    RIGHT,
    Field,
    Grid,
    bezier,
    bump,
    ellipse,
    points_for,
    ramp,
    splat,
)

AP_MAGNIFICATION = 1.12
"""The heart lies further from the detector when the beam enters from the front."""

LUNG_AIR = 0.62
BRANCHES, GENERATIONS = 9, 5


@dataclass
class Chest:
    """A view being drawn: the attenuation so far and the geometry that signs refer to.

    `inside` is the distance to the nearest lung border (body units, negative outside), `lung`
    the soft lung field, `air` the depth of air along the beam, `apex` and `base` the rows of
    the lung's ends, `dome` the row of the diaphragm under each column. All but the rows are
    [size, size]. `hila` maps side → (x, y). `bits` collects sign masks.
    """

    grid: Grid
    view: str
    build: Build
    attenuation: Field
    inside: Field
    lung: Field
    air: Field
    lateral: Field
    dome: Field
    apex: float
    base: float
    hila: dict[int, tuple[float, float]]
    bits: dict[str, Field]

    def side(self, side: int) -> Field:
        """Return 1 on one side of the body and 0 on the other."""
        return ramp(self.grid.x * side, 0.04)

    def fill(self, share: Field) -> None:
        """Replace a share [size, size] of the lung's air by fluid or cells; vessels there fade."""
        share = np.clip(share, 0, 1)
        self.attenuation += np.float32(0.88 * LUNG_AIR * self.build.aeration) * self.air * share
        self.air = self.air * (1 - share)

    def wall(self, y: float) -> float:
        """Return the lung's half width at a row, as `lateral` has it."""
        return float(self.walls(np.array([y], np.float32))[0])

    def walls(self, y: Field) -> Field:
        """Return the lung's half width at many rows."""
        return lateral_border(self.build, self.apex, self.base, y)


def lateral_border(build: Build, apex: float, base: float, y: Field) -> Field:
    """Return |x| of the lung's lateral border at the rows `y`."""
    t = np.clip((y - np.float32(apex)) / np.float32(base - apex), 0, 1)
    border: Field = np.float32(build.width) * (0.28 + 0.72 * (1 - (1 - t) ** 2.4) ** 0.75)
    return border


def draw_frontal(grid: Grid, build: Build, state: StudyState, view: str) -> Chest:
    """Draw the healthy frontal chest of one study; heart size and inspiration are the study's."""
    x, y = grid.x, grid.y
    apex = -0.80 * build.height
    depth = 0.06 * state.inspiration
    base = 0.66 * build.height + depth
    side_x = np.abs(x)
    lateral = lateral_border(build, apex, base, y)
    dome = _dome(grid, build, base)
    inside = np.minimum(np.minimum(lateral - side_x, side_x - 0.095), (dome - y) * 0.8)
    inside = np.minimum(inside, y - (apex + 1.1 * np.square(side_x - 0.29)))
    lung = ramp(inside, 0.02)
    air = lung * (0.45 + 0.55 * ramp(inside - 0.11, 0.22))
    chest = Chest(
        grid,
        view,
        build,
        _body(grid, build, view),
        inside,
        lung,
        air,
        lateral,
        dome,
        apex,
        base,
        {
            side: (0.19 * side, -0.10 - 0.05 * (side == LEFT) + depth * 0.4)
            for side in (RIGHT, LEFT)
        },
        {},
    )
    chest.attenuation -= np.float32(LUNG_AIR * build.aeration) * air
    _draw_centre(chest, state)
    _draw_bones(chest)
    return chest


def _dome(grid: Grid, build: Build, base: float) -> Field:
    """Row of the diaphragm: a dome per side, the right one higher, falling to the angle."""
    top = np.where(grid.x < 0, base - 0.235, base - 0.195) + np.float32(build.dome)
    off = np.abs(grid.x) - np.float32(build.width * 0.47)
    steep = np.where(off > 0, np.float32(0.23 / (build.width * 0.53) ** 2), np.float32(0.5))
    dome: Field = (top + steep * off * off).astype(np.float32)
    return dome


def _body(grid: Grid, build: Build, view: str) -> Field:
    """Soft tissue: torso with shoulders and neck, arms, abdomen, breasts."""
    x, y = grid.x, grid.y
    side_x = np.abs(x)
    shoulder = np.float32(-0.97) + 0.30 * np.square(np.clip(side_x - 0.20, 0, None))
    half = (0.30 if view == "AP" else 0.20) * ramp(-0.30 - y, 0.5)
    half += np.float32(build.width + 0.15 * build.thickness)
    square = np.square(side_x / half)
    torso = np.sqrt(np.clip(1 - square * square * square, 0, 1)) * ramp(y - shoulder, 0.07)
    neck = np.sqrt(np.clip(1 - np.square(x / 0.31), 0, 1)) * ramp(-0.75 - y, 0.3)
    edge = half + 0.015 + (0.02 if view == "AP" else 0.15) * np.clip(y + 0.55, 0, None)
    arms = ramp(side_x - edge, 0.04) * ramp(y - shoulder, 0.06)
    body = build.thickness * np.maximum(0.78 * torso, 0.62 * neck) + 0.5 * arms * (1 - torso)
    if build.breasts:
        breasts = ellipse(grid, (0.5, 0.28), (0.36, 0.3), mirrored=True)
        body += np.float32(0.08 * build.breasts) * ramp(1 - breasts, 0.14)
    body *= 1 + 0.10 * ramp(y - 0.5, 0.8)
    soft: Field = body.astype(np.float32)
    return soft


def _draw_centre(chest: Chest, state: StudyState) -> None:
    """Mediastinum, aortic knob, trachea, heart, diaphragm, stomach bubble."""
    grid, x, y = chest.grid, chest.grid.x, chest.grid.y
    out = chest.attenuation
    middle = ramp(0.11 + 0.035 * ramp(-0.42 - y, 0.5) - np.abs(x - 0.005), 0.06)
    knob = ramp(1 - ellipse(grid, (0.10, -0.34), (0.115, 0.12)), 0.35)
    pulmonary = ramp(1 - ellipse(grid, (0.10, -0.10), (0.135, 0.24)), 0.4)
    heart = heart_shape(chest, state)
    # A smooth union: organs that overlap do not show their outlines inside of each other.
    outside = (1 - 0.95 * middle) * (1 - 0.9 * knob) * (1 - 0.85 * pulmonary)
    soft = 1 - outside * (1 - 0.93 * heart)
    out += (0.40 * soft * (0.30 + 0.70 * chest.lung)).astype(np.float32)
    chest.bits["heart"] = soft
    # Less lung lies before and behind the heart, so less can fill there.
    chest.air = chest.air * (1 - 0.6 * soft)
    trachea = ramp(0.042 - np.abs(x - 0.012), 0.02) * ramp(-0.30 - y, 0.06)
    out -= np.float32(0.13) * trachea
    below = ramp(y - chest.dome, 0.02)
    out += np.float32(0.10) * below * ramp(chest.lateral + 0.06 - np.abs(x), 0.1)
    bubble = ellipse(grid, (0.36, chest.base - 0.07), (0.17, 0.09))
    out -= np.float32(0.20) * ramp(1 - bubble, 0.5) * below


def heart_shape(chest: Chest, state: StudyState) -> Field:
    """Return the heart's soft outline; its width is the cardiothoracic ratio, magnified in AP."""
    ratio = state.heart_ratio * (AP_MAGNIFICATION if chest.view == "AP" else 1.0)
    ratio *= 1 - 0.045 * state.inspiration
    half = ratio * chest.build.width
    centre = (0.31 * half, chest.base - 0.19 - 0.36 * half)
    dx, dy = chest.grid.x - np.float32(centre[0]), chest.grid.y - np.float32(centre[1])
    along, beside = dx * 0.83 + dy * 0.56, dy * 0.83 - dx * 0.56
    radius = np.sqrt(np.square(along / (1.07 * half)) + np.square(beside / (0.87 * half)))
    return ramp(1 - radius, 0.10) * np.float32(0.74) + 0.26 * bump(radius, 1.1)


def _draw_bones(chest: Chest) -> None:
    grid, build = chest.grid, chest.build
    x, y = grid.x, grid.y
    side_x = np.abs(x)
    out = chest.attenuation
    off = x - np.float32(build.scoliosis) * np.sin(2.2 * y)
    vertebra = np.abs(np.mod(y * np.float32(1 / 0.135) + build.rib_phase, 1) - 0.5)
    column = ramp(0.085 - np.abs(off), 0.03)
    out += 0.11 * column * (0.70 + 0.30 * ramp(0.40 - vertebra, 0.12))
    out += 0.05 * bump(off, 0.022) * ramp(0.25 - vertebra, 0.15)
    cage = ramp(chest.lateral + 0.035 - side_x, 0.03) * ramp(y - (chest.apex - 0.05), 0.06)
    cage *= 0.25 + 0.75 * ramp(chest.dome + 0.02 - y, 0.12)
    cage *= ramp(chest.base + 0.2 - y, 0.3)
    spacing = np.float32(1 / build.rib_spacing)
    behind = y - 0.40 * np.square(np.clip(side_x - 0.12, 0, None)) * (1.15 - 0.55 * y)
    front = y + 0.62 * (chest.lateral - side_x) + 0.10 * np.square(side_x)
    posterior = _ribs(behind * spacing + build.rib_phase) * ramp(side_x - 0.075, 0.03)
    anterior = _ribs(front * spacing * 0.93 + build.rib_phase) * ramp(side_x - 0.36, 0.2)
    edge = bump(side_x - chest.lateral - 0.012, 0.035)
    out += np.float32(build.rib_density) * cage * (0.13 * posterior + 0.075 * anterior)
    out += np.float32(0.07 * build.rib_density) * edge * cage
    _draw_girdle(chest)


def _ribs(phase: Field) -> Field:
    """Bands of one period each: a flat body between two dense cortical edges."""
    t = np.abs(phase - np.floor(phase) - 0.5)
    return ramp(0.19 - t, 0.09) * 0.75 + 0.45 * bump(t - 0.175, 0.06)


def _draw_girdle(chest: Chest) -> None:
    """Clavicles, and the scapulae where the view leaves them over the lungs."""
    grid, is_ap = chest.grid, chest.view == "AP"
    rise = 0.02 if is_ap else -0.05
    high = chest.apex + 0.16
    starts, bends, ends = [], [], []
    for side in (RIGHT, LEFT):
        for thick in (-0.018, 0.018):
            starts.append((side * 0.07, high + 0.05 + thick * 1.4))
            bends.append((side * 0.42, high + 0.10 + rise + thick * 0.7))
            ends.append((side * 0.86, high - 0.16 + rise + thick))
    curves = bezier(*_arrays(starts, bends, ends), points_for(grid, 0.9))
    inner = 0.70 if is_ap else 0.93
    edges = bezier(
        *_arrays(
            [(side * (inner - 0.06), high + 0.03) for side in (RIGHT, LEFT)],
            [(side * inner, high + 0.25) for side in (RIGHT, LEFT)],
            [(side * (inner + 0.10), high + 0.72) for side in (RIGHT, LEFT)],
        ),
        points_for(grid, 0.8),
    )
    chest.attenuation += splat(grid, [(curves, 0.12), (edges, 0.055)], 0.016)
    side_x = np.abs(grid.x)
    blade = ramp(side_x - inner - 0.14 * (grid.y - high), 0.03) * ramp(0.62 - grid.y + high, 0.1)
    chest.attenuation += 0.05 * blade * ramp(grid.y - high, 0.2)
    heads = ellipse(grid, (1.02, high + 0.04), (0.15, 0.16), mirrored=True)
    chest.attenuation += np.float32(0.11) * ramp(1 - heads, 0.3)


def _arrays(*points: list[tuple[float, float]]) -> tuple[Field, Field, Field]:
    first, second, third = (np.array(part, np.float32) for part in points)
    return first, second, third


def grow_vessels(chest: Chest) -> tuple[Field, Field, Field, Field]:
    """Grow the vascular tree of both lungs, the same in every study of a patient.

    Returns starts, bends and ends [segments, 2], and the calibre of each (1 at the hilum).
    Rows shrink with the lung, so that vessels crowd when the patient does not breathe in.
    """
    rng = np.random.default_rng(chest.build.vessel_seed)
    sides = np.repeat([RIGHT, LEFT], BRANCHES)
    angles = np.tile(np.linspace(-1.45, 1.35, BRANCHES), 2) + rng.normal(0, 0.12, 2 * BRANCHES)
    hila = np.array([chest.hila[int(side)] for side in sides])
    at = hila + 0.035 * np.stack([sides * np.cos(angles), 1.6 * np.sin(angles)], 1)
    calibre = rng.uniform(0.75, 1.1, len(at))
    shrink = (chest.base - 0.2) / 0.46
    parts: list[tuple[Field, ...]] = []
    for generation in range(GENERATIONS):
        length = rng.uniform(0.11, 0.18, len(at)) * 0.92**generation
        ends = at + length[:, None] * np.stack(
            [sides * np.cos(angles), np.sin(angles) * (1.15 * shrink)], 1
        )
        bends = (at + ends) / 2 + rng.normal(0, 0.018, at.shape)
        parts.append((at, bends, ends, calibre))
        turn = rng.uniform(0.2, 0.65, len(at)) * rng.choice([-1, 1], len(at))
        at, sides = np.repeat(ends, 2, 0), np.repeat(sides, 2)
        angles = (angles[:, None] + np.stack([turn * 0.45, -turn], 1)).ravel()
        calibre = (calibre[:, None] * np.array([0.82, 0.62])).ravel()
    starts, bends, ends, calibres = (
        np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)
    )
    return starts, bends, ends, calibres
