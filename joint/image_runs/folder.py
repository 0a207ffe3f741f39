"""The folder of a run on images alone: what it holds besides every run folder's parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from configs.files import write_atomically
from configs.settings import load_settings, peek_setting
from joint.image_runs.settings import ImageRunSettings
from joint.run_folder import RunFolder
from joint.training.settings import IMAGE_TASKS, TrainingSettings
from vision.grade_table import disarm


class ImageRunFolder(RunFolder):
    """As `RunFolder`, with `predictions.csv`, the saved model in `model/`, the trust report in

    `trust/`, and `left_out.csv`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.predictions = path / "predictions.csv"
        self.model = path / "model"
        self.left_out = path / "left_out.csv"
        self.trust = path / "trust"

    def write_left_out(self, skipped: Iterable[tuple[str, str]]) -> None:
        """List images that could not be read: path under the corpus root, and why."""
        table = pd.DataFrame(list(skipped), columns=["path", "reason"])
        table["path"] = table["path"].map(disarm)
        with write_atomically(self.left_out) as temporary:
            table.to_csv(temporary, index=False)


def is_image_run(folder: RunFolder) -> bool:
    """Say whether a run of images alone lies there."""
    has_settings = folder.settings_file.is_file()
    return has_settings and peek_setting(folder.settings_file, (), "task.kind") in IMAGE_TASKS


def read_any_settings(folder: RunFolder) -> TrainingSettings:
    """Read the settings of a run of any task; raises RunFolderError where no run lies."""
    if is_image_run(folder):
        return load_settings(ImageRunSettings, folder.settings_file)
    return folder.read_settings()
