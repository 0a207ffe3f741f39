"""`kerley train CONFIG --plan`: the plan of a run, printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

DEVICE_TFLOPS = 30.0
"""What one large GPU holds on convolutions in bf16, an assumption: measure yours and say so."""


def describe_run_plan(
    config: Path,
    overrides: Sequence[str],
    *,
    processes: int = 1,
    device_tflops: float = DEVICE_TFLOPS,
    images: int | None = None,
    tokens: int | None = None,
) -> list[str]:
    """Plan the run of a YAML and give it in lines of text; see `train_plan.plan_training`."""
    from configs.settings import load_settings
    from joint.planning.plan import plan_training
    from joint.planning.text import describe_plan
    from joint.run_settings import RunSettings

    settings = load_settings(RunSettings, config, overrides)
    plan = plan_training(settings, processes=processes, images=images, tokens=tokens)
    return describe_plan(plan, device_tflops=device_tflops)
