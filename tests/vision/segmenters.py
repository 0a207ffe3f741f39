"""Small segmenters, masks and data that the tests of segmentation are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.vision.examples import draw_xray
from vision.cache import CacheSettings, build_cache
from vision.segmentation.mask_cache import build_mask_cache
from vision.segmentation.mask_files import MaskFiles, MaskSettings
from vision.segmentation.network import NetworkSettings, build_network
from vision.segmentation.segmenter import Segmenter
from vision.segmentation.task import SegmentationData, SegmentationTaskSettings

SMALL = NetworkSettings(
    architecture="unet", encoder="mobilenet_v2", decoder_channels=(16, 16, 8, 8, 8)
)
SIZE = 64


def draw_lungs(*, height: int = 90, width: int = 120) -> NDArray[np.bool_]:
    """The two ellipses that `draw_xray` darkens."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    mask = np.zeros((height, width), bool)
    for centre in (0.3, 0.7):
        mask |= ((x - centre) / 0.15) ** 2 + ((y - 0.4) / 0.3) ** 2 < 1
    return mask


def save_pairs(folder: Path, count: int) -> tuple[list[Path], list[Path]]:
    """Write X-rays and their masks of 0 and 255, in `images/` and `masks/`."""
    images, masks = [], []
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        images.append(folder / "images" / f"case{seed}.png")
        masks.append(folder / "masks" / f"case{seed}.png")
        Image.fromarray(draw_xray(seed)).save(images[-1])
        Image.fromarray(draw_lungs().astype(np.uint8) * 255).save(masks[-1])
    return images, masks


def as_sources(masks: list[Path]) -> list[MaskFiles]:
    return [MaskFiles((mask,), MaskSettings()) for mask in masks]


def make_data(folder: Path, *, train: int = 4, validate: int = 2) -> SegmentationData:
    """Cached X-rays and masks; the last rows validate."""
    count = train + validate
    images, masks = save_pairs(folder, count)
    cache = build_cache(images, folder / "cache", CacheSettings(size=SIZE))
    rows = np.arange(count)
    built = build_mask_cache(cache, rows, as_sources(masks), folder / "framed")
    names = [f"study{row}" for row in rows]
    return SegmentationData(cache, rows, built, rows, rows[:train], rows[train:], names)


def task_settings(**changes: object) -> SegmentationTaskSettings:
    return SegmentationTaskSettings.model_validate(
        {"kind": "segmentation", "network": SMALL, "batch": 2} | changes
    )


def small_segmenter(*, structure: str = "lung") -> Segmenter:
    torch.manual_seed(0)
    network = build_network(SMALL).eval()
    return Segmenter(network, SMALL, CacheSettings(size=SIZE), structure=structure)  # type: ignore[arg-type]


class DarkIsLung(torch.nn.Module):
    """Calls what is dark lung: a segmenter whose answer can be drawn by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(20.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -self.gain * (images[:, 0] - 0.35)


def dark_segmenter(size: int = SIZE) -> Segmenter:
    return Segmenter(DarkIsLung(), SMALL, CacheSettings(size=size))  # type: ignore[arg-type]
