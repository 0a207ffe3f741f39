"""The card of a saved classifier or segmenter, whichever a folder holds."""

from __future__ import annotations

from pathlib import Path

from vision.classification import classifier
from vision.classification.classifier import ClassifierCard, read_classifier_card
from vision.segmentation import segmenter
from vision.segmentation.segmenter import SegmenterCard, read_segmenter_card


def name_model(folder: Path) -> str:
    """Say what a folder holds, `classifier` or `segmenter`; the files in it are called so."""
    return segmenter.STEM if (folder / f"{segmenter.STEM}.json").is_file() else classifier.STEM


def read_any_card(folder: Path) -> ClassifierCard | SegmenterCard:
    """Read and check the card and its weights' hash; raises ModelFolderError, also for none."""
    if name_model(folder) == segmenter.STEM:
        return read_segmenter_card(folder)
    return read_classifier_card(folder)
