"""Small trees in the layouts of Kermany and COVID-QU-Ex, with drawn images, for tests of runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 48
KERMANY_NAMES = {
    "bacterial": ("PNEUMONIA", "person{n}_bacteria_{n}.jpeg"),
    "viral": ("PNEUMONIA", "person{n}_virus_{n}.jpeg"),
    "normal": ("NORMAL", "IM-{n:04d}-0001.jpeg"),
}
QU_EX = "Lung Segmentation Data/Lung Segmentation Data"


def write_kermany(root: Path, *, train: int = 12, test: int = 6) -> Path:
    """Write so many patients of each class into train and test; brightness is the class."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("val", 1), ("test", test)):
        for level, (folder, pattern) in enumerate(KERMANY_NAMES.values()):
            for number in range(1, count + 1):
                name = pattern.format(n=number + 500 * (split == "val"))
                draw(root / "chest_xray" / split / folder / name, 40 + 70 * level, generator)
    return root


def write_qu_ex(root: Path, *, counts: dict[str, int]) -> Path:
    """Write so many images of each class into each split that `counts` names."""
    generator = np.random.default_rng(1)
    for split, count in counts.items():
        for level, name in enumerate(("COVID-19", "Non-COVID", "Normal")):
            for number in range(count):
                file = f"{name.lower()}_{split}_{number}.png"
                draw(root / QU_EX / split / name / "images" / file, 40 + 70 * level, generator)
    return root


def draw(file: Path, brightness: int, generator: np.random.Generator) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = generator.integers(0, 60, (SIDE, SIDE)) + brightness
    Image.fromarray(pixels.astype(np.uint8)).save(file)
