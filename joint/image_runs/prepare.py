"""From corpora on disk to a table of images and one cache; what stands already is used again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.files import hash_json
from data_cards.corpora import find_corpus
from data_cards.image_sources import join_source
from data_cards.lineage import LineageNode, describe_listing
from data_cards.splits import assign_splits
from data_cards.study import Listing, group_masks
from joint.image_runs.settings import CorpusSource, ImageDataSettings
from joint.prepare import STUDY_HASH_LETTERS, PreparationError
from vision.cache import ImageCache, build_cache
from vision.cache_manifest import MANIFEST_NAME
from vision.segmentation.mask_cache import MaskCache
from vision.xray_image import Provenance

EXTERNAL = "external"
"""The split of images from corpora that only test."""

LISTED = (
    *("corpus", "source", "study_id", "patient_id", "split", "class_name"),
    *("path", "root", "mask_paths", "view", "sex", "age"),
)
"""What a listing says of each image; `path`, `root` and all of `mask_paths` are absolute."""


@dataclass(frozen=True)
class PreparedImages:
    """Images of one or several corpora, ready for a task.

    images: one row per readable frontal image, with LISTED (source: the corpus, and the collection
    within it where it says one, as `corpus/collection`; patient_id: with the corpus before it, as
    `corpus:patient`; split: train, validate, test or external), `sha256`, `width`, `height` and
    `bits` of its file, and `cache_row`. listings: the corpora, as a lineage has them. hashes: what
    a run must find unchanged to go on. left_out: how many images of which kind were; skipped:
    (path under the root, reason) of the unreadable ones and of what the readers left out.
    """

    images: pd.DataFrame
    cache: ImageCache
    listings: tuple[LineageNode, ...]
    hashes: dict[str, str]
    left_out: dict[str, int]
    skipped: tuple[tuple[str, str], ...]

    def rows(self, split: str) -> NDArray[np.int64]:
        """Give the row numbers of a split."""
        return np.flatnonzero((self.images["split"] == split).to_numpy())

    def cache_rows(self) -> NDArray[np.int64]:
        """Give where each image lies in the cache."""
        return self.images["cache_row"].to_numpy(np.int64)

    def study_hashes(self) -> list[str]:
        """Name the study of each image by a hash, for messages: an id is patient data."""
        return [
            hash_json([corpus, study])[:STUDY_HASH_LETTERS]
            for corpus, study in zip(self.images["corpus"], self.images["study_id"], strict=True)
        ]

    def relative_paths(self) -> list[str]:
        """Name each image under the root of its corpus."""
        return [
            name_under(path, root)
            for path, root in zip(self.images["path"], self.images["root"], strict=True)
        ]


@dataclass(frozen=True)
class PreparedMasks(PreparedImages):
    """Images that have a mask; `images` also has `mask_row`, where it lies in `masks`."""

    masks: MaskCache


def prepare_images(settings: ImageDataSettings, *, build: bool = True) -> PreparedImages:
    """List, split and cache the corpora; lateral views and what cannot be read are left out.

    build: make what is missing; the main process does, the others then read what it made.
    Raises CorpusError for a root that is missing or no such corpus, PreparationError for a
    patient in two splits.
    """
    listings = [
        (source, find_corpus(source.corpus).read(source.root)) for source in settings.sources
    ]
    external = [
        (source, find_corpus(source.corpus).read(source.root)) for source in settings.external
    ]
    parts = [list(_list_images(source, listing, settings)) for source, listing in listings]
    parts += [list(_list_images(source, listing, None)) for source, listing in external]
    listed = pd.DataFrame([row for part in parts for row in part], columns=LISTED)
    _check_patients(listed)
    frontal = (listed["view"].fillna("").str.upper() != "LATERAL").to_numpy()
    laterals = int((~frontal).sum())
    listed = listed[frontal].reset_index(drop=True)
    folder = name_cache(settings)
    cache = (
        build_cache(
            [Path(path) for path in listed["path"]],
            folder,
            settings.cache,
            workers=settings.workers,
            parents=[
                describe_listing(listing, folder / MANIFEST_NAME)
                for _, listing in (*listings, *external)
            ],
        )
        if build
        else ImageCache.open(folder)
    )
    skipped = [
        (entry.where, entry.reason)
        for _, listing in (*listings, *external)
        for entry in listing.skipped
    ]
    images = _add_files(listed, cache)
    readable = images["cache_row"].notna().to_numpy()
    images = images[readable].astype({"cache_row": np.int64}).reset_index(drop=True)
    return PreparedImages(
        images=images,
        cache=cache,
        listings=tuple(_describe(source, listing) for source, listing in (*listings, *external)),
        hashes={
            "corpus": hash_json([listing.content_hash for _, listing in listings]),
            "images": _hash_trained(images, cache),
            "split": hash_json(
                images.loc[images["split"] != EXTERNAL, ["study_id", "split"]].to_dict("list")
            ),
        },
        left_out={
            "unreadable images": int((~readable).sum()),
            "lateral images": laterals,
            "files that the reader left out": len(skipped),
        },
        skipped=(*skipped, *_name_skipped(listed[~readable], cache)),
    )


def name_cache(settings: ImageDataSettings) -> Path:
    """Name the folder of the image cache of these corpora at these places."""
    roots = [
        [source.corpus, str(source.root.resolve())]
        for source in (*settings.sources, *settings.external)
    ]
    size, decoded = settings.cache.size, settings.cache.preprocessing_hash
    corpora = "-".join(dict.fromkeys(source.corpus for source in settings.sources))
    return settings.work / f"{corpora}-{hash_json(roots)[:8]}" / f"images-{size}-{decoded[:8]}"


def place_masks(settings: ImageDataSettings) -> Path:
    """Name the folder of the mask caches of these corpora."""
    return name_cache(settings).parent / "masks"


def _describe(source: CorpusSource, listing: Listing) -> LineageNode:
    counts = {"studies": len(listing.studies)}
    name = source.corpus
    return LineageNode(kind="corpus listing", name=name, hash=listing.content_hash, counts=counts)


def name_under(path: str, root: str) -> str:
    """Name a path under a root, or by its last part where it does not lie there."""
    file = Path(path)
    return str(file.relative_to(root)) if file.is_relative_to(root) else file.name


def _list_images(
    source: CorpusSource, listing: Listing, settings: ImageDataSettings | None
) -> Iterator[dict[str, Any]]:
    """Give LISTED of each image; without settings all are external."""
    studies = listing.studies
    if settings is not None:
        studies = assign_splits(
            listing,
            seed=settings.split_seed,
            validate=settings.validate_share,
            test=settings.test_share,
        )
    # Without reports, which a corpus may have and nobody reads here.
    for study in studies.remove_columns("report"):
        for image, masks in zip(study["images"], group_masks(study), strict=True):
            yield {
                "corpus": source.corpus,
                "source": join_source(source.corpus, study["source"]),
                "study_id": study["study_id"],
                "patient_id": f"{source.corpus}:{study['patient_id']}",
                "split": EXTERNAL if settings is None else study["split"],
                "class_name": study["class_name"],
                "path": image["path"],
                "root": str(listing.root),
                "mask_paths": masks,
                "view": image["view"],
                "sex": study["sex"],
                "age": study["age"],
            }


def _check_patients(listed: pd.DataFrame) -> None:
    """Refuse a patient in two splits, as two sources of one corpus can make one."""
    shared = listed.groupby("patient_id")["split"].nunique().gt(1).sum()
    if shared:
        raise PreparationError(
            f"data.sources and data.external: {shared} patients are in more than one split; a"
            " corpus that is named twice shares its patients"
        )


def _add_files(listed: pd.DataFrame, cache: ImageCache) -> pd.DataFrame:
    """Add what the cache knows of each file; `cache_row` is None where it could not be read."""
    described: list[Mapping[str, Any]] = []
    for path in listed["path"]:
        row = cache.row_of(path)
        if row is None:
            described.append({"cache_row": None})
            continue
        provenance = cache.provenance_of(row)
        described.append(
            {
                "cache_row": row,
                "sha256": provenance.sha256,
                "width": provenance.width,
                "height": provenance.height,
                "bits": count_bits(provenance),
            }
        )
    columns = ["cache_row", "sha256", "width", "height", "bits"]
    return pd.concat([listed, pd.DataFrame(described, columns=columns)], axis=1)


def count_bits(provenance: Provenance) -> int | None:
    """Give how many bits the window of a file reached over; None for a VOI LUT."""
    if provenance.window is None:
        return None
    low, high = provenance.window
    return max(1, round(high - low)).bit_length()


def _hash_trained(images: pd.DataFrame, cache: ImageCache) -> str:
    """Name the pixels that are trained on: external images are no part of the run's identity."""
    own = images[images["split"] != EXTERNAL]
    return hash_json([cache.settings.preprocessing_hash, own["sha256"].tolist()])


def _name_skipped(listed: pd.DataFrame, cache: ImageCache) -> Iterator[tuple[str, str]]:
    reasons = {str(path): reason for path, reason in cache.skipped}
    for path, root in zip(listed["path"], listed["root"], strict=True):
        yield name_under(path, root), reasons.get(str(path), "not listed in the cache")
