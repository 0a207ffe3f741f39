"""The lineage of a run on images alone: its corpora, caches, weights, predictions and model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from configs.files import hash_file
from data_cards.lineage import Lineage, LineageNode
from data_cards.lineage_tables import Trace
from joint.image_runs.kinds import ImageRunPlace
from joint.image_runs.model_cards import name_model, read_any_card
from joint.image_runs.prepare import PreparedMasks, name_cache
from joint.image_runs.settings import ImageRunSettings, ImageTaskSettings
from joint.lineage.record import (
    UNPLACED,
    date_file,
    describe_start,
    keep_known,
    read_lineage,
    run_hash,
    tell_now,
    write_lineage,
)
from vision.cache_manifest import MANIFEST_NAME
from vision.classification.task import ClassificationTaskSettings
from vision.encoder_settings import NamedEncoderSettings, WeightSettings
from vision.segmentation.mask_cache import MASKS_NAME


def record_run(place: ImageRunPlace) -> Lineage:
    """Write the lineage of a run that begins; of one that goes on, what stands is kept."""
    if place.folder.lineage.is_file():
        known = read_lineage(place.folder)
        if any(node.hash == run_hash(place.hashes) for node in known.nodes):
            return known
    return write_lineage(place.folder, _trace(place).lineage())


def add_predictions(place: ImageRunPlace) -> Lineage:
    """Give the lineage of a run with its predictions; external corpora may have changed."""
    before, trace = read_lineage(place.folder), _trace(place)
    file = place.folder.predictions
    trace.add(
        LineageNode(
            kind="predictions",
            name=file.name,
            hash=hash_file(file),
            counts={"images": len(place.prepared.images) - len(place.prepared.rows("train"))},
            created=tell_now(),
            parents=(run_hash(place.hashes),),
        )
    )
    return keep_known(before, trace.lineage())


def record_model(place: ImageRunPlace, lineage: Lineage) -> Lineage:
    """Write a lineage, with the model that was made from its predictions, to `lineage.json`."""
    own = model_node(place.folder.model, lineage)
    whole = Lineage(nodes=(*lineage.nodes, own))
    return write_lineage(place.folder, keep_known(read_lineage(place.folder), whole))


def model_node(folder: Path, lineage: Lineage | None) -> LineageNode:
    """Describe a saved model by the hash of its weights; raises ModelFolderError as loading does.

    Its parents are the last run of the lineage, and that run's predictions.
    """
    card, kind = read_any_card(folder), name_model(folder)
    nodes = lineage.nodes if lineage is not None else ()
    runs = [node.hash for node in nodes if node.kind == "run"][-1:]
    made = [n.hash for n in nodes if n.kind == "predictions" and set(n.parents) & set(runs)]
    return LineageNode(
        kind="model",
        name=kind,
        hash=card.weights_sha256,
        created=date_file(folder / f"{kind}.safetensors"),
        parents=(*runs, *made),
    )


def find_weights(task: ImageTaskSettings) -> WeightSettings | None:
    """Give the file of encoder weights that training starts from, if it does."""
    if not isinstance(task, ClassificationTaskSettings):
        return task.network.encoder_weights
    return task.encoder.weights if isinstance(task.encoder, NamedEncoderSettings) else None


def find_start(task: ImageTaskSettings) -> Path | None:
    """Give the folder of the segmenter that training starts from, if it does."""
    return None if isinstance(task, ClassificationTaskSettings) else task.start


def _trace(place: ImageRunPlace) -> Trace:
    trace, settings, hashes = Trace(), place.settings, place.hashes
    parents = [_add_images(trace, place)]
    if isinstance(place.prepared, PreparedMasks):
        masks = place.prepared.masks
        node = LineageNode(
            kind="mask cache",
            name=masks.folder.name,
            hash=masks.content_hash,
            counts={"masks": int(masks.readable.sum())},
            created=date_file(masks.folder / MASKS_NAME),
            parents=(parents[0],),
        )
        parents.append(trace.add(node))
    parents += _add_weights(trace, settings, hashes)
    splits = ("train", "validate", "test", "external")
    counts = {split: len(place.prepared.rows(split)) for split in splits}
    facts = {name: hashes[name] for name in UNPLACED if name in hashes}
    trace.add(
        LineageNode(
            kind="run",
            name=place.folder.path.resolve().name,
            hash=run_hash(hashes),
            counts={"steps": settings.loop.steps, **{n: c for n, c in counts.items() if c}},
            facts=facts | describe_start(place.folder),
            created=tell_now(),
            parents=tuple(parents),
        )
    )
    return trace


def _add_images(trace: Trace, place: ImageRunPlace) -> str:
    listed = [trace.add(node) for node in place.prepared.listings]
    settings, cache = place.settings.data, place.prepared.cache
    folder = name_cache(settings)
    size = settings.cache.size
    node = LineageNode(
        kind="image cache",
        name=folder.name,
        hash=cache.content_hash,
        counts={"images": len(cache)},
        facts={"size": f"{size}×{size}", "storage": settings.cache.storage},
        created=date_file(folder / MANIFEST_NAME),
        parents=tuple(dict.fromkeys(listed)),
    )
    return trace.add(node)


def _add_weights(trace: Trace, settings: ImageRunSettings, hashes: Mapping[str, str]) -> list[str]:
    found = []
    weights, start = find_weights(settings.task), find_start(settings.task)
    if weights is not None:
        name = weights.path.name
        node = LineageNode(kind="weights", name=name, hash=hashes["encoder_weights"])
        found.append(trace.add(node))
    if start is not None:
        lineage = read_any_card(start).lineage
        for node in lineage.nodes if lineage is not None else ():
            trace.add(node)
        found.append(trace.add(model_node(start, lineage)))
    return found
