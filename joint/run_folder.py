"""The folder of one run: where each part of it lies, and whose run it is."""

from __future__ import annotations

from pathlib import Path

from configs.settings import load_settings, save_settings
from joint.run_settings import RunSettings, training_values


class RunFolderError(ValueError):
    """A run folder that holds another run, or none; the message says what differs."""


class RunFolder:
    """`settings.yaml`, `checkpoints/`, `metrics.jsonl`, `predictions.parquet`, `figures/`,

    `README.md` (the model card, written last) and `grader/`; beside them `tokenizer.json`,
    which holds words of the corpus and stays here, `lineage.json`, and W&B's `wandb/`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "settings.yaml"
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.predictions = path / "predictions.parquet"
        self.figures = path / "figures"
        self.card = path / "README.md"
        self.grader = path / "grader"
        self.tokenizer = path / "tokenizer.json"
        self.lineage = path / "lineage.json"

    @classmethod
    def of(cls, settings: RunSettings) -> RunFolder:
        """Name the folder of a run: `<out>/<name>`."""
        return cls(settings.out / settings.name)

    def read_settings(self) -> RunSettings:
        """Read the run's complete settings; raises RunFolderError where no run lies."""
        if not self.settings_file.is_file():
            raise RunFolderError(f"{self.path}: not a run folder, settings.yaml is missing")
        return load_settings(RunSettings, self.settings_file)

    def check_claim(self, settings: RunSettings) -> None:
        """Raise RunFolderError when a run with other training settings has begun here."""
        if not (self.checkpoints / "last").exists():
            return
        theirs, ours = training_values(self.read_settings()), training_values(settings)
        changed = sorted(
            name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name)
        )
        if changed:
            raise RunFolderError(
                f"{self.path}: holds a run with other settings ({', '.join(changed)}); go on with"
                " those, or give this run another name, or remove the folder"
            )

    def claim(self, settings: RunSettings) -> None:
        """Write the complete settings of the run that works here from now on."""
        self.check_claim(settings)
        self.path.mkdir(parents=True, exist_ok=True)
        save_settings(settings, self.settings_file)
