"""What a run that tells classes apart brings: its images, its task, and what it ends with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from joint.image_runs.class_result import finish_classification
from joint.image_runs.kinds import ImageRunKind
from joint.image_runs.prepare import PreparedImages
from joint.image_runs.settings import ImageRunSettings
from joint.prepare import PreparationError
from vision.classification.task import (
    ClassificationData,
    ClassificationTask,
    ClassificationTaskSettings,
)


def select_classes(settings: ImageRunSettings, prepared: PreparedImages) -> PreparedImages:
    """Keep the images whose class is one of the task's, with its number as `label`.

    Raises PreparationError where a class has no training image, or nothing is left to validate
    or test on.
    """
    task = settings.classification
    labels = [task.number_class(name) for name in prepared.images["class_name"]]
    known = np.array([label is not None for label in labels])
    images = prepared.images[known].reset_index(drop=True)
    images["label"] = np.array([label for label in labels if label is not None], np.int64)
    left_out = prepared.left_out | {"images of other classes": int((~known).sum())}
    chosen = replace(prepared, images=images, left_out=left_out)
    _check_teachable(task, chosen, sorted({str(n) for n in prepared.images["class_name"]}))
    return chosen


def build_classification(
    settings: ImageRunSettings, prepared: PreparedImages
) -> ClassificationTask:
    """Make the task from images that `select_classes` chose."""
    data = ClassificationData(
        cache=prepared.cache,
        cache_rows=prepared.cache_rows(),
        labels=prepared.images["label"].to_numpy(np.int64),
        train=prepared.rows("train"),
        validate=prepared.rows("validate"),
        study_hashes=prepared.study_hashes(),
    )
    return ClassificationTask(settings.classification, data, seed=settings.seed)


def _check_teachable(
    task: ClassificationTaskSettings, prepared: PreparedImages, found: list[str]
) -> None:
    counts = {
        split: np.bincount(
            prepared.images["label"].to_numpy()[prepared.rows(split)], minlength=len(task.classes)
        )
        for split in ("train", "validate", "test")
    }
    lacking = [name for name, n in zip(task.classes, counts["train"], strict=True) if not n]
    if lacking:
        raise PreparationError(
            f"task.classes: no training image of {', '.join(lacking)}; the corpus calls its"
            f" classes {', '.join(found)} (task.also_called takes other names for a class)"
        )
    for split in ("validate", "test"):
        if not counts[split].sum():
            raise PreparationError(
                f"no image of task.classes in the split {split!r}; its share is set by"
                f" data.{split}_share where the corpus has no official one"
            )


KIND = ImageRunKind(select_classes, build_classification, finish_classification)
