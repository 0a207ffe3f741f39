"""The settings of the mirror at W&B, and which of a run's settings may leave this machine."""

from __future__ import annotations

from typing import Any, Literal

from configs.settings import Settings

PUBLIC_STRINGS = frozenset(
    {
        "data.corpus",
        "data.labels.kind",
        "data.labels.profile",
        "data.uncertain.kind",
        "task.kind",
        "task.balance",
        "task.encoder.kind",
        "task.encoder.name",
        "task.encoder.norm",
        "task.tower.encoder.kind",
        "task.tower.encoder.name",
        "task.tower.encoder.norm",
        "task.text.kind",
        "task.text.pooling",
        "task.losses.contrastive.kind",
        "task.losses.contrastive.imposters",
        "task.losses.contrastive.same_report",
        "task.losses.contrastive.similarity",
        "task.losses.noise.kind",
        "task.losses.severity_loss.kind",
        "start.checkpoint",
        "optimizer.decay",
        "loop.mixed_precision",
        "evaluation.calibrate_on",
    }
)
"""The settings whose words may leave this machine; of all others only numbers do."""

WandbMode = Literal["offline", "online", "disabled"]
Upload = Literal["grader", "predictions"]


class TrackingSettings(Settings):
    """Where the mirror lies: `offline` in the run folder, `online` at a server, or nowhere.

    group: runs to be shown together (null: by recipe, whatever the seed). upload: what leaves
    although it was made from patients' data: the grader's weights, the predictions with studies
    under keyed hashes. Project and group are sent as they are written here.
    """

    wandb: WandbMode = "offline"
    project: str = "kerley"
    group: str | None = None
    timeout_seconds: float = 30.0
    upload: tuple[Upload, ...] = ()


def public_settings(settings: Settings) -> dict[str, Any]:
    """Give the settings that may leave this machine: numbers, switches and PUBLIC_STRINGS."""
    found: dict[str, Any] = {}
    _collect(settings.model_dump(mode="json"), "", found)
    return found


def _collect(value: Any, name: str, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, f"{name}.{key}" if name else str(key), found)
    elif isinstance(value, (bool, int, float)) or (
        isinstance(value, str) and name in PUBLIC_STRINGS
    ):
        found[name] = value
