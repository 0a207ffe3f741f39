"""The plan of a run in lines of text."""

from __future__ import annotations

from joint.planning.plan import TrainPlan
from joint.run_settings import TableLabels

PART_NAMES = {
    "tower.encoder": "image encoder",
    "tower.severity_head": "severity head",
    "tower.finding_head": "finding head",
    "text": "text encoder",
    "text_severity": "severity head of reports",
    "image_projection": "projection of images",
    "text_projection": "projection of reports",
    "log_scale": "scale",
    "bias": "bias",
}
BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")


def describe_plan(plan: TrainPlan, *, device_tflops: float) -> list[str]:
    """Say what is there, what would be made, and what it takes, with the assumptions beside it."""
    return [
        f"{plan.settings.name}: nothing is trained, fetched or written",
        *_describe_data(plan),
        *_describe_steps(plan),
        *_describe_parameters(plan),
        *_describe_memory(plan),
        *_describe_work(plan, device_tflops),
        *_describe_disk(plan),
    ]


def say_bytes(count: float) -> str:
    """Write a number of bytes with three digits: 1.57 GB."""
    unit = 0
    while count >= 1000 and unit < len(BYTE_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g} {BYTE_UNITS[unit]}"


def say_hours(hours: float) -> str:
    """Write a time in the unit that suits it: 12 s, 34 min, 5.6 hours, 7.8 days."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("min", 1 / 60)):
        if hours >= 2 * size:
            return f"{hours / size:.3g} {unit}"
    return f"{hours * 3600:.2g} s"


def _line(name: str, text: str) -> str:
    return f"{name:12}{text}"


def _describe_data(plan: TrainPlan) -> list[str]:
    data, counts = plan.settings.data, plan.counts
    labels = data.labels
    lines = []
    if counts is None:
        known = f"; reckoned with {plan.images:,} training images" if plan.images else ""
        lines.append(_line("corpus", f"{data.corpus}: not found: {data.root}{known}"))
    else:
        text = f"{data.corpus}: {counts.studies:,} studies, {counts.reports:,} reports,"
        text += f" {counts.images:,} images not known to be lateral"
        lines.append(_line("corpus", f"{text}, {counts.train_images:,} of them in training"))
    if isinstance(labels, TableLabels):
        found = "" if labels.path.is_file() else "not found: "
        graded = "" if counts is None or counts.graded is None else f", {counts.graded:,} graded"
        lines.append(_line("labels", f"{found}{labels.path}{graded}"))
    else:
        lines.append(_line("labels", f"mined by profile {labels.profile} where they do not stand"))
    start = plan.settings.start
    if start is not None:
        found = "" if start.weights.is_file() else "not found: "
        lines.append(_line("starts from", f"{found}{start.weights}"))
    return lines


def _describe_steps(plan: TrainPlan) -> list[str]:
    settings = plan.settings
    size = settings.task.batches.size
    share = -(-size // plan.processes)
    at_once = f", {plan.forward.rows} at a time" if plan.parts > 1 else ""
    devices = "1 process" if plan.processes == 1 else f"{plan.processes} processes"
    text = f"{settings.loop.steps:,} of {size:,} rows on {devices}"
    epochs = "unknown without the corpus (--images)"
    if plan.epochs is not None:
        epochs = f"{plan.epochs:.1f}, counted in training images"
    return [_line("steps", f"{text} ({share} each{at_once})"), _line("epochs", epochs)]


def _describe_parameters(plan: TrainPlan) -> list[str]:
    lines = [_line("parameters", f"{sum(plan.parameters.values()):,} that learn")]
    lines += [
        _line("", f"{count:>13,} {PART_NAMES.get(part, part)}")
        for part, count in plan.parameters.items()
    ]
    if plan.fetched:
        lines.append(_line("fetched", f"{', '.join(plan.fetched)}: a first run needs a network"))
    if plan.assumed:
        text = f"{', '.join(plan.assumed)}: dimensions as its card gives them; no file here"
        lines.append(_line("assumed", text))
    return lines


def _describe_memory(plan: TrainPlan) -> list[str]:
    memory = plan.memory
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "AdamW's moments": memory.moments,
        f"activations of {plan.forward.rows} rows": memory.activations,
        "gradients in passing": memory.passing,
    }
    head = f"{say_bytes(memory.total)} on each device, and 1 to 2 GB for its own context"
    return [
        _line("memory", head),
        *(_line("", f"{say_bytes(count):>13} {name}") for name, count in parts.items()),
    ]


def _describe_work(plan: TrainPlan, device_tflops: float) -> list[str]:
    per_step = f"{plan.step_flops / 1e12:,.3g} tera-FLOP on all devices"
    reports = f", reports of {plan.tokens} tokens" if plan.tokens else ""
    held = f"{plan.processes} × {device_tflops:g} tera-FLOP/s held throughout"
    return [
        _line("a step", f"{per_step}{reports}"),
        _line("time", f"{say_hours(plan.hours(device_tflops))} at {held}"),
        _line("", "reading and evaluation not counted; networks wait for memory: measure yours"),
    ]


def _describe_disk(plan: TrainPlan) -> list[str]:
    settings, made = plan.settings, plan.cache_bytes
    cache = "size unknown without the corpus (--images)" if made is None else say_bytes(made)
    stands = ", stands" if (plan.cache / "manifest.json").is_file() else ""
    folder = settings.out / settings.name
    return [
        _line("cache", f"{cache}: {plan.cache}{stands}"),
        _line("checkpoints", f"{say_bytes(plan.checkpoint_bytes)}: {folder / 'checkpoints'}"),
        _line("run", f"{folder}: grader, predictions, figures, model card"),
    ]
