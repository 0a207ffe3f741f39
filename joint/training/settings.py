"""The settings that every training run has, and what of them decides its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from configs.files import hash_json
from configs.settings import Settings
from joint.loop import LoopSettings
from joint.optimizer import OptimizerSettings
from joint.tracking.settings import TrackingSettings

IMAGE_TASKS = frozenset({"classification", "segmentation"})
"""The values of `task.kind` that `joint/image_runs` trains; all others are severity's."""


class TrainingSettings(Settings):
    """What a run of any task needs; written complete into its folder `<out>/<name>`.

    UNTRAINED: settings, in pydantic's form of `exclude`, that do not change the weights; the
    data behind paths among them has hashes of its own.
    """

    UNTRAINED: ClassVar[dict[str, Any]] = {
        "out": True,
        "tracking": True,
        "evaluation": True,
        "loop": {
            "threads": True,
            "evaluation_batch": True,
            "checkpoint_every": True,
            "checkpoint_minutes": True,
            "keep_checkpoints": True,
        },
    }

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    out: Path = Path("runs")
    seed: int = Field(0, ge=0, lt=2**32)
    optimizer: OptimizerSettings = OptimizerSettings()
    loop: LoopSettings = LoopSettings()
    tracking: TrackingSettings = TrackingSettings()


def training_values(settings: TrainingSettings) -> dict[str, Any]:
    """Give the settings that decide the weights, flat: `optimizer.learning_rate` → value."""
    values: dict[str, Any] = {}
    _flatten(settings.model_dump(mode="json", exclude=settings.UNTRAINED), "", values)
    return values


def hash_training(settings: TrainingSettings) -> str:
    """Name what decides the weights; a run goes on only under the same name."""
    return hash_json(training_values(settings))


def hash_recipe(settings: TrainingSettings) -> str:
    """Name what runs with other seeds, under other names, have in common."""
    values = training_values(settings)
    return hash_json({name: values[name] for name in values if name not in ("seed", "name")})


def _flatten(value: Any, name: str, values: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{name}.{key}" if name else str(key), values)
    else:
        values[name] = value
