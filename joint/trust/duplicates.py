"""The same image more than once: byte for byte, pixel for pixel, or nearly, across splits."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.near_duplicates import (
    NEAR_LIKENESS,
    ImagePrints,
    find_near_duplicates,
    take_prints,
)
from joint.trust.check import TrustCheck
from joint.trust.inputs import TrustInputs

MOST_IMAGES = 100_000
"""Of a larger corpus, held-out images and a sample of the others are held against each other."""
IMAGES_AT_ONCE = 512

WHY = (
    "Collections are repackaged: the same image under another name, mirrored or with other"
    " contrast, is still the same."
)


def check_duplicates(inputs: TrustInputs) -> tuple[TrustCheck, TrustCheck, pd.DataFrame]:
    """Look for images that are in more than one split; also give the near ones, by group.

    The table has group, path (under the root), split, class, and with how many images of the
    group it is alike; only groups across splits are in it. The same pixels count where the files
    differ: a PNG of a JPEG.
    """
    rows = _choose_rows(inputs)
    prints, hashes = _read(inputs, rows)
    table = inputs.rows.iloc[rows].reset_index(drop=True)
    table["pixels"] = hashes
    files, pixels = (_spread(table, column) for column in ("sha256", "pixels"))
    exact = TrustCheck(
        "Images apart",
        "error" if files or pixels else "passed",
        f"of {len(rows):,} images {files:,} are in more than one split byte for byte, {pixels:,}"
        " pixel for pixel",
        WHY,
    )
    found = find_near_duplicates(prints)
    groups = [group for group in found.groups if table["split"].iloc[list(group)].nunique() > 1]
    listed = _list_groups(inputs, rows, groups)
    mixed = sum(part["class"].nunique() > 1 for _, part in listed.groupby("group"))
    near = TrustCheck(
        "Near duplicates",
        "warning" if groups else "passed",
        f"of {len(rows):,} images {len(listed):,} in {len(groups):,} groups are nearly the same"
        f" (likeness about {NEAR_LIKENESS} and above) and in more than one split"
        + (f"; groups of them with more than one class: {mixed:,}" if inputs.classes else "")
        + f"; {len(found.groups):,} groups in all",
        WHY,
    )
    return exact, near, listed


def _choose_rows(inputs: TrustInputs) -> NDArray[np.int64]:
    everything = np.arange(len(inputs.rows))
    if len(everything) <= MOST_IMAGES:
        return everything
    is_train = (inputs.rows["split"] == "train").to_numpy()
    generator = np.random.default_rng(inputs.seed)
    others = generator.permutation(np.flatnonzero(is_train))
    held_out = np.flatnonzero(~is_train)
    chosen: NDArray[np.int64] = np.sort(np.concatenate([held_out, others])[:MOST_IMAGES])
    return chosen


def _read(inputs: TrustInputs, rows: NDArray[np.int64]) -> tuple[ImagePrints, list[str]]:
    prints, hashes = [], []
    for start in range(0, len(rows), IMAGES_AT_ONCE):
        pixels = inputs.pixels(rows[start : start + IMAGES_AT_ONCE])
        prints.append(take_prints(pixels))
        hashes += [hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest() for image in pixels]
    return ImagePrints(*(np.concatenate(parts) for parts in zip(*prints, strict=True))), hashes


def _spread(table: pd.DataFrame, column: str) -> int:
    """Count the images whose value stands in more than one split."""
    known = table[table[column].notna()]
    splits = known.groupby(column)["split"].transform("nunique")
    return int((splits > 1).sum())


def _list_groups(
    inputs: TrustInputs, rows: NDArray[np.int64], groups: list[tuple[int, ...]]
) -> pd.DataFrame:
    lines = []
    for number, group in enumerate(groups, 1):
        for row in rows[list(group)].tolist():
            one = inputs.rows.iloc[row]
            label = int(inputs.labels[row])
            name = inputs.classes[label] if label >= 0 else "not known"
            place = _under(str(one["path"]), inputs.root)
            lines.append({"group": number, "path": place, "split": one["split"], "class": name})
    return pd.DataFrame(lines, columns=["group", "path", "split", "class"])


def _under(path: str, root: Path | None) -> str:
    """Name a file under the root; only its last part where it lies elsewhere."""
    base = None if root is None else root.absolute()
    if base is not None and Path(path).is_relative_to(base):
        return Path(path).relative_to(base).as_posix()
    return Path(path).name
