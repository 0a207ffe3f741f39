"""One image of one study: anatomy, signs and nuisances become 8-bit grey values and masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from data_cards.phantom.anatomy import Chest, draw_frontal
from data_cards.phantom.causal import Patient, StudyState
from data_cards.phantom.devices import draw_devices
from data_cards.phantom.lateral import draw_lateral, draw_lateral_signs
from data_cards.phantom.nuisances import draw_filling, draw_nuisances
from data_cards.phantom.raster import Field, Grid, make_grid, ramp, smooth_noise
from data_cards.phantom.signs import (
    SignStrengths,
    draw_airspace_edema,
    draw_interstitium,
    draw_vessels,
)

Grey = npt.NDArray[np.uint8]

SIGN_BITS = {
    "vascular": 1,
    "interstitial": 2,
    "alveolar": 4,
    "effusion": 8,
    "device": 16,
    "opacity": 32,
    "nodule": 32,
    "atelectasis": 64,
    "pneumothorax": 128,
    "fracture": 128,
}
"""Bit of each sign in a sign mask; opacity and nodule, pneumothorax and fracture share one."""

LUNG_VALUES = {"right": 64, "left": 128, "hidden": 192}
"""Grey values of a lung mask; `hidden` is lung behind the heart and the mediastinum."""


@dataclass(frozen=True)
class Exposure:
    """How one image was taken and shown; none of it is a sign of anything."""

    zoom: float
    rotation: float
    shift_x: float
    shift_y: float
    low: float
    high: float
    gamma: float
    grain: float
    marker: str
    collimation: float


@dataclass(frozen=True)
class DrawnImage:
    """One finished image: `pixels`, `lung_mask`, `sign_mask` are uint8 [size, size]."""

    view: str
    pixels: Grey
    lung_mask: Grey
    sign_mask: Grey
    strengths: SignStrengths
    exposure: Exposure


def draw_image(
    patient: Patient, state: StudyState, view: str, size: int, rng: np.random.Generator
) -> DrawnImage:
    """Draw one view of a study; two images of a study differ in exposure, position and grain."""
    exposure = _expose(rng, view)
    wobble = np.exp(rng.normal(0, 0.12, 3))
    strengths = SignStrengths(
        *(float(s * w) for s, w in zip(_strengths(state), wobble, strict=True))
    )
    grid = make_grid(
        size,
        zoom=exposure.zoom,
        rotation=exposure.rotation,
        shift=(exposure.shift_x, exposure.shift_y),
    )
    if view == "LATERAL":
        chest = draw_lateral(grid, patient.build, state)
        draw_lateral_signs(chest, state, strengths, rng)
    else:
        chest = draw_frontal(grid, patient.build, state, view)
        draw_airspace_edema(chest, strengths, rng)
        draw_filling(chest, state, rng)
        draw_vessels(chest, strengths)
        draw_interstitium(chest, strengths, rng)
        draw_nuisances(chest, state, rng)
        draw_devices(chest, state.devices, rng)
    return DrawnImage(
        view,
        _develop(chest, exposure, rng),
        _lung_mask(chest),
        _sign_mask(chest),
        strengths,
        exposure,
    )


def _strengths(state: StudyState) -> tuple[float, float, float]:
    return state.vascular, state.interstitial, state.alveolar


def _expose(rng: np.random.Generator, view: str) -> Exposure:
    loose = 1.7 if view == "AP" else 1.0
    return Exposure(
        zoom=float(np.clip(rng.normal(1.10, 0.04 * loose), 0.92, 1.25)),
        rotation=rng.normal(0, 0.018 * loose),
        shift_x=rng.normal(0, 0.025 * loose),
        shift_y=rng.normal(0.02, 0.03 * loose),
        low=rng.normal(-0.02, 0.035),
        high=rng.normal(1.0, 0.08),
        gamma=float(np.exp(rng.normal(0.0, 0.16))),
        grain=float(0.010 * np.exp(rng.normal(0, 0.35)) * (1.3 if view == "AP" else 1.0)),
        marker=str(rng.choice(["L", "R", "", "L", "R", "AP" if view == "AP" else "L"])),
        collimation=float(rng.uniform(0.0, 0.06) if rng.random() < 0.3 else 0.0),
    )


def _develop(chest: Chest, exposure: Exposure, rng: np.random.Generator) -> Grey:
    """Window, gamma, veil, grain, borders and marker: attenuation to grey values."""
    size = chest.grid.size
    span = 1 / (exposure.high - exposure.low)
    tone = np.clip((chest.attenuation - np.float32(exposure.low)) * np.float32(span), 0, None)
    tone = tone ** np.float32(exposure.gamma)
    # A film's shoulder: dense parts approach white without reaching it.
    tone = tone / (1 + 0.30 * tone)
    tone *= 1 + 0.05 * smooth_noise(rng, size, 3)
    grain = rng.standard_normal((size, size), dtype=np.float32)
    tone += np.float32(exposure.grain) * grain * (0.45 + tone)
    if exposure.collimation:
        tone *= _collimate(chest.grid, exposure.collimation, rng)
    if exposure.marker:
        _stamp(tone, exposure.marker, rng)
    pixels: Grey = (np.clip(tone, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def _collimate(grid: Grid, width: float, rng: np.random.Generator) -> Field:
    """A black border with straight, slightly turned edges on some of the four sides."""
    line = np.linspace(-1, 1, grid.size, dtype=np.float32)
    across, down = line[None, :], line[:, None]
    turn = rng.normal(0, 0.012)
    open_field = np.ones((grid.size, grid.size), np.float32)
    for way in (across + turn * down, -across + turn * down, down - turn * across, -down):
        if rng.random() < 0.6:
            open_field *= ramp(np.float32(1 - 2 * width * rng.uniform(0.4, 1)) - way, 0.02)
    return open_field


def _stamp(tone: Field, marker: str, rng: np.random.Generator) -> None:
    """Put a lead side marker above the shoulder of its side."""
    size = tone.shape[0]
    glyph = _glyph(marker, max(6, round(size * rng.uniform(0.05, 0.075))))
    height, width = glyph.shape
    side = 0.06 if marker == "R" else 0.88
    column = round(size * (side + rng.uniform(-0.02, 0.02)))
    row = round(size * rng.uniform(0.04, 0.16))
    column = min(max(column, 0), size - width)
    patch = tone[row : row + height, column : column + width]
    np.maximum(patch, glyph * np.float32(rng.uniform(0.8, 1.0)), out=patch)


@lru_cache(maxsize=256)
def _glyph(text: str, height: int) -> Field:
    font = ImageFont.load_default(height)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (math.ceil(right - left) + 1, math.ceil(bottom - top) + 1))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def _lung_mask(chest: Chest) -> Grey:
    lung = chest.lung > 0.5
    side = np.where(chest.grid.x < 0, LUNG_VALUES["right"], LUNG_VALUES["left"])
    if chest.view == "LATERAL":
        side = np.full_like(side, LUNG_VALUES["right"])
    mask: Grey = np.where(chest.bits["heart"] > 0.4, LUNG_VALUES["hidden"], side) * lung
    return mask.astype(np.uint8)


def _sign_mask(chest: Chest) -> Grey:
    mask = np.zeros(chest.lung.shape, np.uint8)
    for sign, bit in SIGN_BITS.items():
        if sign in chest.bits:
            mask |= np.where(chest.bits[sign] > 0.3, bit, 0).astype(np.uint8)
    return mask
