"""The folder of one run: where each part of it lies, and whose run it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from configs.files import write_json
from configs.settings import load_settings, save_settings
from joint.resuming.changes import explain_refusal, find_changes
from joint.resuming.files import DamageError, list_steps, read_state
from joint.run_settings import RunSettings
from joint.training.settings import TrainingSettings, training_values


class RunFolderError(ValueError):
    """A run folder that holds another run, or none; the message says what differs."""


class RunFolder:
    """`settings.yaml`, `checkpoints/`, `metrics.jsonl`, `predictions.parquet`, `figures/`,

    `README.md` (the model card, written last), `card.json` (what it is rendered from) and
    `grader/`; beside them `tokenizer.json`, which holds words of the corpus and stays here,
    `lineage.json`, `lock`, W&B's `wandb/` and, where the run went on with other settings, labels
    or data by name, `resumed_with.json`. `kerley evaluate` adds `evaluation/`, and
    `embeddings.npz`, which stays here too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings_file = path / "settings.yaml"
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.predictions = path / "predictions.parquet"
        self.figures = path / "figures"
        self.card = path / "README.md"
        self.card_facts = path / "card.json"
        self.evaluation = path / "evaluation"
        self.embeddings = path / "embeddings.npz"
        self.grader = path / "grader"
        self.tokenizer = path / "tokenizer.json"
        self.lineage = path / "lineage.json"
        self.accepted = path / "resumed_with.json"

    @classmethod
    def of(cls, settings: TrainingSettings) -> Self:
        """Name the folder of a run: `<out>/<name>`."""
        return cls(settings.out / settings.name)

    def read_settings(self) -> RunSettings:
        """Read the run's complete settings; raises RunFolderError where no run lies."""
        if not self.settings_file.is_file():
            raise RunFolderError(f"{self.path}: not a run folder, settings.yaml is missing")
        return load_settings(RunSettings, self.settings_file)

    def check_claim(self, settings: TrainingSettings, accept: Collection[str] = ()) -> None:
        """Raise RunFolderError when a run with other training settings has begun here.

        accept: names of what may differ; see `run_changes.CHANGES`.
        """
        for checkpoint in list_steps(self.checkpoints)[:1]:
            try:
                identity = read_state(checkpoint)["identity"]
            except DamageError:  # the checkpoint before it counts then
                return
            changes = find_changes(identity, {"settings": training_values(settings)})
            refusal = explain_refusal(self.path, changes, accept)
            if refusal is not None:
                raise RunFolderError(refusal)

    def claim(self, settings: TrainingSettings, accept: Collection[str] = ()) -> None:
        """Write the complete settings of the run that works here from now on."""
        self.check_claim(settings, accept)
        self.path.mkdir(parents=True, exist_ok=True)
        save_settings(settings, self.settings_file)

    def write_accepted(self, accepted: Sequence[Mapping[str, Any]]) -> None:
        """Write what was accepted when the run went on; no file where nothing was."""
        if accepted:
            write_json(self.accepted, list(accepted))

    def read_accepted(self) -> list[dict[str, Any]]:
        """Read what was accepted: rows of step, name, part, before and now."""
        if not self.accepted.is_file():
            return []
        rows: list[dict[str, Any]] = json.loads(self.accepted.read_text(encoding="utf-8"))
        return rows
