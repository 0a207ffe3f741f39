"""Who the gate turns away: real X-rays, the phantom corpus, and pictures that are no X-rays.

    python benchmarks/gate.py --xrays DIR [DIR …] [--pictures DIR] [--phantoms 300]

Each folder of X-rays must hold frontal chest X-rays: those refused are false refusals. The same
images are shown inverted too. --pictures: a folder of photos and drawings.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from data_cards.phantom.generator import make_phantom
from data_cards.phantom.settings import PhantomSettings
from data_cards.phantom.truth import read_image_truth
from vision.gate import GateSettings, find_refusals
from vision.images import IMAGE_SUFFIXES, ImageError, read_image
from vision.xray_image import Provenance, XrayImage

Grey = NDArray[np.float64]
PIXELS_ALONE = GateSettings(refuse_header=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xrays", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--phantoms", type=int, default=300, help="studies to draw")
    parser.add_argument("--drawn", type=int, default=150, help="pictures of each drawn kind")
    asked = parser.parse_args()
    print("| images | n | refused | by pixels alone | inverted: refused | called inverted |")
    print("|---|---|---|---|---|---|")
    for folder in asked.xrays:
        report(folder.name, read_folder(folder))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "corpus"
        make_phantom(root, PhantomSettings(studies=asked.phantoms, size=128, seed=11))
        views = read_image_truth(root).set_index("image_id")["view"]
        for view in sorted(set(views)):
            files = [root / "images" / f"{name}.png" for name in views.index[views == view]]
            report(f"phantom {view}", map(read_image, files))
    if asked.pictures is not None:
        report(f"pictures: {asked.pictures.name}", read_folder(asked.pictures))
    rng = np.random.default_rng(0)
    for name, draw in DRAWN.items():
        report(f"drawn: {name}", (wrap(draw(rng)) for _ in range(asked.drawn)))


def report(name: str, images: Iterator[XrayImage]) -> None:
    """Print a row of the table."""
    counts = np.zeros(4)
    number = 0
    for image in images:
        turned = find_refusals(XrayImage(1 - image.pixels, image.provenance), PIXELS_ALONE)
        counts += [
            bool(find_refusals(image)),
            bool(find_refusals(image, PIXELS_ALONE)),
            bool(turned),
            any("inverted" in reason for reason in turned),
        ]
        number += 1
    shares = " | ".join(f"{share:.1%}" for share in counts / max(1, number))
    print(f"| {name} | {number:,} | {shares} |", flush=True)


def read_folder(folder: Path) -> Iterator[XrayImage]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            try:
                yield read_image(path, at_least=256)
            except ImageError:
                continue


def wrap(grey: Grey) -> XrayImage:
    height, width = grey.shape
    provenance = Provenance(
        sha256="0" * 64,
        file_format="drawn",
        height=height,
        width=width,
        window=(0.0, 1.0),
        window_source="full range",
    )
    return XrayImage(grey.astype(np.float32), provenance)


def draw_noise(rng: np.random.Generator) -> Grey:
    return rng.random((256, 256))


def draw_clouds(rng: np.random.Generator) -> Grey:
    roughness = rng.uniform(0.4, 0.9)
    total = np.zeros((256, 256))
    for octave in range(1, 8):
        cells = rng.normal(size=(2**octave, 2**octave)).astype(np.float32)
        total += roughness**octave * np.asarray(Image.fromarray(cells).resize((256, 256), 3))
    return (total - total.min()) / np.ptp(total)


def draw_gradient(rng: np.random.Generator) -> Grey:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    turn, bulge = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1)
    total = np.cos(turn) * x + np.sin(turn) * y + bulge * (x**2 + y**2)
    return (total - total.min()) / np.ptp(total)


def draw_page(rng: np.random.Generator) -> Grey:
    width, height = (int(side) for side in rng.integers(500, 1100, 2))
    page = Image.new("L", (width, height), 255)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(int(rng.integers(12, 28)))
    for line in range(30, height - 30, int(rng.integers(24, 40))):
        words = " ".join("x" * int(n) for n in rng.integers(2, 11, rng.integers(3, 16)))
        pen.text((40, line), words[: width // 9], fill=int(rng.integers(0, 90)), font=font)
    return np.asarray(page) / 255.0


def draw_scene(rng: np.random.Generator) -> Grey:
    """A grey photo of sorts: a horizon, and round and square things in front of it."""
    levels = np.linspace(*rng.uniform(0, 255, 2), 384)[:, None].repeat(512, axis=1)
    levels[int(384 * rng.uniform(0.3, 0.7)) :] = rng.uniform(0, 255)
    scene = Image.fromarray(levels.astype(np.uint8))
    pen = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(5, 40))):
        x, y, size = rng.uniform(0, 512), rng.uniform(0, 384), rng.uniform(10, 150)
        shape = pen.rectangle if rng.random() < 0.5 else pen.ellipse
        box = [x, y, x + size, y + size * rng.uniform(0.3, 2)]
        shape(box, fill=int(rng.uniform(0, 255)))
    blurred = scene.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3)))
    return np.asarray(blurred) / 255.0


def draw_bright_objects(rng: np.random.Generator) -> Grey:
    """Bright ellipses on black, as an X-ray of a hand or a foot would have them."""
    picture = Image.new("L", (256, 256), int(rng.uniform(0, 30)))
    for _ in range(int(rng.integers(1, 6))):
        x, y, size = *rng.uniform(40, 160, 2), rng.uniform(20, 90)
        box = [x, y, x + size, y + size * rng.uniform(1, 2.5)]
        ImageDraw.Draw(picture).ellipse(box, fill=int(rng.uniform(80, 255)))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(1, 8)))) / 255.0


DRAWN: dict[str, Callable[[np.random.Generator], Grey]] = {
    "noise": draw_noise,
    "clouds": draw_clouds,
    "gradients": draw_gradient,
    "pages of text": draw_page,
    "white text on black": lambda rng: 1 - draw_page(rng),
    "grey scenes": draw_scene,
    "bright objects on black": draw_bright_objects,
}

if __name__ == "__main__":
    main()
