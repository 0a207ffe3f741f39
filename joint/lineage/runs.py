"""The lineage of runs and graders: as they recorded it, or put together from what lies there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_cards.lineage import Kind, Lineage, LineageError, LineageNode
from data_cards.lineage_tables import Trace, trace_table
from joint.image_runs.folder import is_image_run
from joint.lineage.found import Found
from joint.lineage.record import UNPLACED, grader_node, read_lineage, run_hash, trace_run
from joint.prepare import name_cache, name_labels
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings, TableLabels
from joint.training.settings import TrainingSettings
from vision.grader_card import CARD_NAME, read_card
from vision.report_to_image import ForwardCorrection

NAMED_IN_GRADERS: Mapping[str, Kind] = {
    "corpus": "corpus listing",
    "labels": "label table",
    "images": "image cache",
    "encoder_weights": "weights",
}
REBUILT = (
    "older than lineage.json: put together from its settings, its grader and the manifests that"
    " lie here now"
)


def find_of_run(path: Path) -> Found:
    """Find the lineage of a run folder; raises as `find_lineage`."""
    folder = RunFolder(path)
    if is_image_run(folder):
        from joint.image_runs.lineage_places import find_of_image_run

        return find_of_image_run(path)
    settings = _anchor(folder.read_settings(), folder)
    if folder.lineage.is_file():
        lineage = read_lineage(folder)
        return Found(lineage, _find_places(lineage, settings, folder))
    if not (folder.grader / CARD_NAME).is_file():
        raise LineageError(
            f"{folder.path}: has neither lineage.json nor a grader; nothing there says what the run"
            " was made from"
        )
    hashes = read_card(folder.grader).provenance
    missing = [name for name in ("corpus", "labels", "images") if name not in hashes]
    if missing:
        raise LineageError(f"{folder.grader}: its grader names no hash of {', '.join(missing)}")
    trace = trace_run(settings, folder, hashes)
    trace.add(grader_node(folder.grader, trace.lineage()), folder.grader)
    return Found(trace.lineage(), trace.places, (f"{folder.path}: {REBUILT}",))


def find_of_grader(grader: Path) -> Found:
    """Find the lineage of a grader folder, and where its things lie if its run is around it."""
    card = read_card(grader)
    lineage = card.lineage or _read_provenance(grader, card.provenance)
    own = grader_node(grader, lineage)
    places = {own.hash: grader}
    home = RunFolder(grader.resolve().parent)
    if home.settings_file.is_file() and home.grader.resolve() == grader.resolve():
        places = {**_find_places(lineage, _anchor(home.read_settings(), home), home), **places}
    return Found(Lineage(nodes=(*lineage.nodes, own)), places)


def _read_provenance(grader: Path, hashes: Mapping[str, str]) -> Lineage:
    """Make a lineage of the hashes that a grader from before lineages names."""
    trace = Trace()
    parents = tuple(
        trace.add(LineageNode(kind=kind, name=name, hash=hashes[name]))
        for name, kind in NAMED_IN_GRADERS.items()
        if name in hashes
    )
    if not parents:
        raise LineageError(f"{grader}: the grader does not say what it was made from")
    facts = {name: hashes[name] for name in UNPLACED if name in hashes}
    trace.add(
        LineageNode(kind="run", name="run", hash=run_hash(hashes), facts=facts, parents=parents)
    )
    return trace.lineage()


def _find_places(lineage: Lineage, settings: RunSettings, folder: RunFolder) -> dict[str, Path]:
    """Say where the settings and the manifests put the things of a run's lineage."""
    data, task, nodes = settings.data, settings.task, {node.hash: node for node in lineage.nodes}
    weights = getattr(task.tower.encoder, "weights", None)
    corrected = task.report_to_image
    by_kind = {
        "run": folder.path,
        "predictions": folder.predictions,
        "grader": folder.grader,
        "image cache": name_cache(data),
        "weights": None if weights is None else weights.path,
        "transition": corrected.path if isinstance(corrected, ForwardCorrection) else None,
    }
    places = {n.hash: place for n in lineage.nodes if (place := by_kind.get(n.kind)) is not None}
    listed = {
        corpus for node in lineage.nodes if node.kind == "image cache" for corpus in node.parents
    }
    places |= dict.fromkeys(listed, data.root)
    if settings.evaluation.reference is not None:
        # The same file may be the audited reads behind labels or a transition.
        judged = [node.parents[1:] for node in lineage.nodes if node.kind == "predictions"]
        places |= {own: settings.evaluation.reference for names in judged for own in names}
    if by_kind["transition"] is not None:
        places |= find_reads(lineage, by_kind["transition"].parent)
    run_parents = [name for node in lineage.nodes if node.kind == "run" for name in node.parents]
    for name in run_parents:
        if name in nodes and nodes[name].kind == "label table":
            trace = Trace()
            trace_table(trace, name_labels(data, next(iter(listed), "")), name)
            places = {**trace.places, **places}
    return places


def find_reads(lineage: Lineage, folder: Path) -> dict[str, Path]:
    """Look for the reads behind a transition beside it; where they lay is not recorded."""
    nodes = {node.hash: node for node in lineage.nodes}
    behind = [nodes[one] for n in lineage.nodes if n.kind == "transition" for one in n.parents]
    beside = {node.hash: folder / node.name for node in behind if node.kind == "audited reads"}
    return {own: file for own, file in beside.items() if file.is_file()}


def find_base(settings: TrainingSettings, folder: RunFolder) -> Path:
    """Give the folder that a run was started in, from where it lies; else where we are now."""
    base, out = folder.path.resolve(), settings.out / settings.name
    if not out.is_absolute() and base.parts[-len(out.parts) :] == out.parts:
        return base.parents[len(out.parts) - 1]
    return Path.cwd()


def _anchor(settings: RunSettings, folder: RunFolder) -> RunSettings:
    """Make the settings' paths absolute: they are relative to where the run was started."""
    base = find_base(settings, folder)
    data, evaluation, task = settings.data, settings.evaluation, settings.task
    moved: dict[str, Any] = {"root": base / data.root, "work": base / data.work}
    if isinstance(data.labels, TableLabels):
        moved["labels"] = data.labels.model_copy(update={"path": base / data.labels.path})
    data = data.model_copy(update=moved)
    if evaluation.reference is not None:
        reference = base / evaluation.reference
        evaluation = evaluation.model_copy(update={"reference": reference})
    correction = task.report_to_image
    if isinstance(correction, ForwardCorrection) and correction.path is not None:
        correction = correction.model_copy(update={"path": base / correction.path})
        task = task.model_copy(update={"report_to_image": correction})
    changed = {"data": data, "evaluation": evaluation, "task": task}
    return settings.model_copy(update=changed)
