"""Where on this disk the things lie that a run on images alone, or its model, was made from."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from configs.settings import load_settings
from data_cards.lineage import Lineage, LineageError
from joint.image_runs.folder import ImageRunFolder
from joint.image_runs.lineage import find_start, find_weights, model_node
from joint.image_runs.model_cards import read_any_card
from joint.image_runs.prepare import name_cache, place_masks
from joint.image_runs.settings import CorpusSource, ImageDataSettings, ImageRunSettings
from joint.lineage.found import Found
from joint.lineage.record import read_lineage
from joint.lineage.runs import find_base


def find_of_image_run(path: Path) -> Found:
    """Find the lineage of a run folder; raises as `find_lineage`."""
    folder = ImageRunFolder(path)
    lineage = read_lineage(folder)
    return Found(lineage, _find_places(lineage, folder))


def find_of_model(model: Path) -> Found:
    """Find the lineage of a model's folder, and where its things lie if its run is around it."""
    card = read_any_card(model)
    if card.lineage is None:
        raise LineageError(f"{model}: the model is older than lineages; it names no graph")
    own = model_node(model, card.lineage)
    lineage = Lineage(nodes=(*card.lineage.nodes, own))
    home, places = ImageRunFolder(model.resolve().parent), {own.hash: model}
    if home.settings_file.is_file() and home.model.resolve() == model.resolve():
        places = {**_find_places(lineage, home), **places}
    return Found(lineage, places)


def _find_places(lineage: Lineage, folder: ImageRunFolder) -> dict[str, Path]:
    """Say where the settings put what the last run is made from, and what it made.

    What a segmenter descends from that the run began with lies where nobody recorded.
    """
    settings = load_settings(ImageRunSettings, folder.settings_file)
    base = find_base(settings, folder)
    data = _anchor(settings.data, base)
    roots = defaultdict(list)
    for source in (*data.sources, *data.external):
        roots[source.corpus].append(source.root)
    nodes = {node.hash: node for node in lineage.nodes}
    places: dict[str, Path] = {}
    for run in [node for node in lineage.nodes if node.kind == "run"][-1:]:
        places[run.hash] = folder.path
        weights, start = find_weights(settings.task), find_start(settings.task)
        by_kind: dict[str, Path | None] = {
            "image cache": name_cache(data),
            "weights": None if weights is None else base / weights.path,
            "model": None if start is None else base / start,
        }
        for parent in (nodes[name] for name in run.parents):
            place = by_kind.get(parent.kind)
            if parent.kind == "mask cache":
                place = place_masks(data) / parent.name
            if place is not None:
                places[parent.hash] = place
            for name in parent.parents if parent.kind == "image cache" else ():
                if roots[nodes[name].name]:
                    places[name] = roots[nodes[name].name].pop(0)
        made = {"predictions": folder.predictions, "model": folder.model}
        places |= {n.hash: made[n.kind] for n in lineage.nodes if run.hash in n.parents}
    return places


def _anchor(data: ImageDataSettings, base: Path) -> ImageDataSettings:
    """Make the paths absolute: they are relative to where the run was started."""

    def move(sources: tuple[CorpusSource, ...]) -> tuple[CorpusSource, ...]:
        return tuple(s.model_copy(update={"root": base / s.root}) for s in sources)

    moved = {"sources": move(data.sources), "external": move(data.external)}
    return data.model_copy(update={**moved, "work": base / data.work})
