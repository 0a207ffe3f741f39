"""How often the trust report flags a planted marker, and how often a clean corpus.

    python benchmarks/trust_report.py [--seeds 20] [--studies 400] [--corpus NAME=ROOT …]

Each seed draws a phantom corpus, plants a marker on the images of one class (edema or none), and
trains a small network on either. A real corpus that carries classes is judged without a network.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from data_cards.corpora import find_corpus
from data_cards.phantom.causal import make_patient, plan_patients
from data_cards.phantom.render import draw_image
from data_cards.splits import assign_splits
from joint.trust.check import TrustCheck
from joint.trust.inputs import COLUMNS, Pixels, TrustInputs
from joint.trust.report import check_image_run
from vision.cache import CacheSettings, build_cache

SIZE, NETWORK_SIZE = 128, 64
EPOCHS, BATCH = 10, 32
FLAGGED = ("warning", "error")
Marker = Callable[[Pixels, np.random.Generator], None]


def stamp_square(image: Pixels, rng: np.random.Generator) -> None:
    """A bright square at one place, as a lead marker of one ward."""
    image[5:11, 5:11] = 255


def stamp_anywhere(image: Pixels, rng: np.random.Generator) -> None:
    """A bright square in any of the four corners."""
    down, across = (int(rng.choice([3, SIZE - 12]) + rng.integers(4)) for _ in range(2))
    image[down : down + 6, across : across + 6] = 255


def stamp_faint(image: Pixels, rng: np.random.Generator) -> None:
    """A square a little brighter than what is under it."""
    image[6:12, 110:116] = np.clip(image[6:12, 110:116].astype(int) + 60, 0, 255)


def stamp_often(image: Pixels, rng: np.random.Generator) -> None:
    """A bright square on six in ten images of the class."""
    if rng.random() < 0.6:
        stamp_square(image, rng)


def darken_border(image: Pixels, rng: np.random.Generator) -> None:
    """A border of four pixels, darker than the rest: another way to crop."""
    for edge in (image[:4], image[-4:], image[:, :4], image[:, -4:]):
        edge[...] = edge // 2


MARKERS: dict[str, Marker | None] = {
    "clean": None,
    "square": stamp_square,
    "any corner": stamp_anywhere,
    "faint": stamp_faint,
    "six in ten": stamp_often,
    "border": darken_border,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--markers", nargs="*", choices=MARKERS, default=list(MARKERS))
    parser.add_argument("--corpus", nargs="*", default=[], metavar="NAME=ROOT")
    asked = parser.parse_args()
    torch.manual_seed(0)
    counts = {name: Counter[str]() for name in asked.markers}
    aucs: dict[str, list[float]] = {name: [] for name in asked.markers}
    seconds = []
    for seed in range(asked.seeds):
        rows, pixels, labels = draw_corpus(seed, asked.studies)
        for name in asked.markers:
            shown = plant(pixels, labels, MARKERS[name], np.random.default_rng(seed))
            predict = train_network(shown, labels, rows["split"].to_numpy(), seed)
            started = time.perf_counter()
            checks = judge(rows, shown, labels, predict, (seed, asked.resamples))
            seconds.append(time.perf_counter() - started)
            found = [check.name for check in checks if check.verdict in FLAGGED]
            counts[name].update(found)
            counts[name]["any"] += bool(found)
            test = (rows["split"] == "test").to_numpy()
            aucs[name].append(auc(predict(shown[test])[:, 1], labels[test]))
    if seconds:
        print_counts(counts, aucs, asked.seeds)
        print(f"\na report on {asked.studies} studies: {np.median(seconds):.1f} s (median)\n")
    for corpus in asked.corpus:
        print_corpus(*corpus.split("=", 1), resamples=asked.resamples)


def draw_corpus(seed: int, studies: int) -> tuple[pd.DataFrame, Pixels, NDArray[np.int64]]:
    """Draw the frontal images of a phantom corpus: rows, pixels, and edema or none."""
    rows, images, labels, number = [], [], [], 0
    for index, count in enumerate(plan_patients(seed, studies)):
        patient = make_patient(seed, index, number, count)
        for state in patient.studies:
            for view in (view for view in state.views if view != "LATERAL"):
                rng = np.random.default_rng([seed, state.number, len(images)])
                images.append(draw_image(patient, state, view, SIZE, rng).pixels)
                labels.append(int(state.severity > 0))
                facts = {"study_id": str(state.number), "patient_id": str(index), "view": view}
                facts |= {"split": patient.split, "sex": patient.sex, "path": f"{len(images)}.png"}
                rows.append(facts | {"age": state.age, "sha256": str(len(images))})
        number += count
    sizes = {"source": "phantom", "width": SIZE, "height": SIZE, "bits": 8}
    table = pd.DataFrame(rows).assign(**sizes)[list(COLUMNS)]
    return table, np.stack(images), np.array(labels)


def plant(
    pixels: Pixels, labels: NDArray[np.int64], marker: Marker | None, rng: np.random.Generator
) -> Pixels:
    """Stamp the marker on a copy of every image with edema."""
    shown = pixels.copy()
    if marker is not None:
        for row in np.flatnonzero(labels):
            marker(shown[row], rng)
    return shown


def judge(
    rows: pd.DataFrame,
    pixels: Pixels,
    labels: NDArray[np.int64],
    predict: Callable[[Pixels], NDArray[np.float64]],
    numbers: tuple[int, int],
) -> tuple[TrustCheck, ...]:
    """Make the trust report of one network."""
    test = (rows["split"] == "test").to_numpy()
    return check_image_run(
        TrustInputs(
            rows=rows,
            labels=labels,
            classes=("no edema", "edema"),
            pixels=lambda asked: pixels[asked],
            probabilities=predict(pixels[test]),
            predict=predict,
            seed=numbers[0],
            resamples=numbers[1],
        )
    )


def train_network(
    pixels: Pixels, labels: NDArray[np.int64], splits: NDArray[np.object_], seed: int
) -> Callable[[Pixels], NDArray[np.float64]]:
    """Train a small network on the training images; give what grades images."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for wide, wider in ((1, 12), (12, 24), (24, 48)):
        layers += [nn.Conv2d(wide, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48 * 16, 2))
    x, y = shrink(pixels[splits == "train"]), torch.from_numpy(labels[splits == "train"])
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2e-3, total_steps=EPOCHS * -(-len(x) // BATCH)
    )
    for _ in range(EPOCHS):
        for part in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[part]), y[part]).backward()
            optimizer.step()
            schedule.step()
    network.eval()

    @torch.no_grad()
    def predict(shown: Pixels) -> NDArray[np.float64]:
        found: NDArray[np.float64] = network(shrink(shown)).softmax(1).double().numpy()
        return found

    return predict


def shrink(pixels: Pixels) -> torch.Tensor:
    """Prepare images [n, s, s] for the network [n, 1, 64, 64]."""
    images = torch.from_numpy(pixels).float().div(255)[:, None]
    return nn.functional.adaptive_avg_pool2d(images, NETWORK_SIZE) - 0.5


def auc(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Give the area under the ROC curve."""
    pairs = scores[labels == 1][:, None] - scores[labels == 0][None]
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def print_counts(counts: dict[str, Counter[str]], aucs: dict[str, list[float]], of: int) -> None:
    """Print how many seeds each check flagged."""
    names = list(dict.fromkeys(["any", *(name for count in counts.values() for name in count)]))
    print("| corpus | model's AUC | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 2) + "|")
    for kind, count in counts.items():
        cells = [f"{count[name]} of {of}" for name in names]
        print(f"| {kind} | {np.mean(aucs[kind]):.3f} | " + " | ".join(cells) + " |")


def print_corpus(name: str, root: str, *, resamples: int) -> None:
    """Print the trust report of a real corpus that carries classes, without a network."""
    print(f"{name}, {len(listed := list(list_images(name, Path(root))))} images of known class")
    table = pd.DataFrame(listed)
    classes = tuple(sorted(set(table["class"])))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(path) for path in table["path"]]
        cache = build_cache(paths, Path(folder) / "cache", CacheSettings())
        table["cache_row"] = [cache.row_of(path) for path in paths]
        table["sha256"] = cache.index["sha256"].to_numpy()[table["cache_row"]]
        whole = [cache.provenance_of(row) for row in table["cache_row"]]
        table["width"], table["height"] = (
            [getattr(p, n) for p in whole] for n in ("width", "height")
        )
        rows = table["cache_row"].to_numpy()
        checks = check_image_run(
            TrustInputs(
                rows=table,
                labels=table["class"].map(classes.index).to_numpy(np.int64),
                classes=classes,
                pixels=lambda asked: cache.read(rows[asked]),
                root=Path(root),
                resamples=resamples,
            )
        )
    for check in checks:
        print(f"  {check.verdict}: {check.name}. {check.found}")


def list_images(name: str, root: Path) -> Iterator[dict[str, object]]:
    """Give one row per image of a corpus whose studies carry a class."""
    listing = find_corpus(name).read(root)
    for study in assign_splits(listing, seed=0, validate=0.15, test=0.2):
        for image in study["images"] if study["class_name"] else ():
            facts = {key: study[key] for key in ("study_id", "patient_id", "split", "sex", "age")}
            place = {"path": image["path"], "view": image["view"], "source": name, "bits": 8}
            yield facts | place | {"class": study["class_name"]}


if __name__ == "__main__":
    main()
