"""The folder of a run on images alone: what it holds besides every run folder's parts."""

from __future__ import annotations

from pathlib import Path

from joint.image_runs.settings import ImageRunSettings
from joint.run_folder import RunFolder


class ImageRunFolder(RunFolder):
    """As `RunFolder`, with `predictions.csv`, and the saved model in `model/`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.predictions = path / "predictions.csv"
        self.model = path / "model"
        self.left_out = path / "left_out.csv"

    @classmethod
    def of_run(cls, settings: ImageRunSettings) -> ImageRunFolder:
        """Name the folder of a run: `<out>/<name>`."""
        return cls.of(settings)
