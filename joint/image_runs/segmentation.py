"""What a run that outlines a structure brings: its images, their masks, and its task."""

from __future__ import annotations

import numpy as np

from configs.files import hash_json
from joint.image_runs.kinds import ImageRunKind
from joint.image_runs.mask_result import finish_segmentation
from joint.image_runs.mask_sources import find_masks
from joint.image_runs.prepare import (
    EXTERNAL,
    PreparedImages,
    PreparedMasks,
    name_under,
    place_masks,
)
from joint.image_runs.settings import ImageRunSettings
from joint.prepare import PreparationError
from vision.segmentation.mask_cache import build_mask_cache
from vision.segmentation.network import SIDE_MULTIPLE
from vision.segmentation.task import (
    SegmentationData,
    SegmentationTask,
)


def select_masks(settings: ImageRunSettings, prepared: PreparedImages) -> PreparedMasks:
    """Keep the images whose mask can be read, and frame the masks as the images are.

    Raises PreparationError where nothing is left to train, validate or test on, or where the
    network doesn't take images of the cache's size.
    """
    size = settings.data.cache.size
    if size % SIDE_MULTIPLE:
        raise PreparationError(f"data.cache.size {size}: expected a multiple of {SIDE_MULTIPLE}")
    found = find_masks(settings.data, prepared.images)
    has_mask = np.array([source is not None for source in found], dtype=bool)
    listed = prepared.images[has_mask].reset_index(drop=True)
    if not len(listed):
        names = ", ".join(source.corpus for source in settings.data.sources)
        raise PreparationError(f"data.sources: no image of {names} has a mask")
    masks = build_mask_cache(
        prepared.cache,
        listed["cache_row"].to_numpy(np.int64),
        [source for source in found if source is not None],
        place_masks(settings.data),
    )
    listed["mask_row"] = np.arange(len(listed))
    images = listed[masks.readable].reset_index(drop=True)
    own = images.loc[images["split"] != EXTERNAL, "mask_row"].to_numpy(np.int64)
    skipped = [
        (name_under(str(path), listed["root"][row]), reason) for row, path, reason in masks.skipped
    ]
    counts = {"without a mask": int((~has_mask).sum()), "unreadable masks": len(skipped)}
    chosen = PreparedMasks(
        images=images,
        cache=prepared.cache,
        listings=prepared.listings,
        hashes=prepared.hashes | {"masks": hash_json([masks.hash_rows(own)])},
        left_out=prepared.left_out | counts,
        skipped=(*prepared.skipped, *skipped),
        masks=masks,
    )
    for split in ("train", "validate", "test"):
        if not len(chosen.rows(split)):
            raise PreparationError(
                f"no image with a mask in the split {split!r}; its share is set by"
                f" data.{split}_share where the corpus has no official one"
            )
    return chosen


def build_segmentation(settings: ImageRunSettings, prepared: PreparedImages) -> SegmentationTask:
    """Make the task from images that `select_masks` chose."""
    if not isinstance(prepared, PreparedMasks):
        raise PreparationError("expected images that select_masks chose")
    data = SegmentationData(
        cache=prepared.cache,
        cache_rows=prepared.cache_rows(),
        masks=prepared.masks,
        mask_rows=prepared.images["mask_row"].to_numpy(np.int64),
        train=prepared.rows("train"),
        validate=prepared.rows("validate"),
        study_hashes=prepared.study_hashes(),
    )
    return SegmentationTask(settings.segmentation, data, seed=settings.seed)


KIND = ImageRunKind(select_masks, build_segmentation, finish_segmentation)
