"""The lineage of a run: written into its folder as `lineage.json`, and carried by its grader.

Neither names a path: where things lie is in `settings.yaml` and in the manifests beside them.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from configs.files import hash_file, hash_json, write_text
from configs.settings import tell_first
from data_cards.lineage import Lineage, LineageError, LineageNode, Parent
from data_cards.lineage_tables import Trace, trace_table, trace_transition
from joint.prepare import name_cache, name_labels
from joint.resuming.changes import describe_accepted
from joint.run_folder import RunFolder
from joint.run_record import RunPlace
from joint.run_settings import RunSettings
from vision.grader_card import WEIGHTS_NAME, read_card
from vision.report_to_image import ForwardCorrection, load_correction

UNPLACED = ("settings", "tokenizer", "split")
"""Hashes of a run that name no thing on disk of its own."""


def record_run(place: RunPlace) -> Lineage:
    """Write the lineage of a run that begins; of one that goes on, what stands is kept."""
    if place.folder.lineage.is_file():
        known = read_lineage(place.folder)
        if any(node.hash == run_hash(place.hashes) for node in known.nodes):
            return known
    counts = {
        "train": len(place.prepared.rows("train")),
        "validate": len(place.prepared.rows("validate")),
        "test": len(place.prepared.rows("test")),
    }
    trace = trace_run(place.settings, place.folder, place.hashes)
    studies, images = len(place.prepared.studies), len(place.prepared.images)
    counted = {
        place.hashes["corpus"]: {"studies": studies},
        place.hashes["images"]: {"images": images},
        run_hash(place.hashes): {"steps": place.settings.loop.steps, **counts},
    }
    for name, more in counted.items():
        node = trace.nodes[name]
        trace.nodes[name] = node.model_copy(update={"counts": node.counts | more})
    own = trace.nodes[run_hash(place.hashes)]
    facts = own.facts | describe_start(place.folder)
    trace.nodes[own.hash] = own.model_copy(update={"facts": facts, "created": tell_now()})
    return write_lineage(place.folder, trace.lineage())


def add_predictions(place: RunPlace) -> Lineage:
    """Add the predictions, and the reference that they were calibrated on, to a run's lineage."""
    lineage = read_lineage(place.folder)
    parents = [run_hash(place.hashes)]
    nodes = _up_to(lineage, parents[0])
    reference = place.settings.evaluation.reference
    if reference is not None:
        node = LineageNode(kind="reference", name=reference.name, hash=hash_file(reference))
        if node.hash not in {other.hash for other in nodes}:  # else the same reads, told already
            nodes = (*nodes, node)
        parents.append(node.hash)
    predictions = LineageNode(
        kind="predictions",
        name=place.folder.predictions.name,
        hash=hash_file(place.folder.predictions),
        counts={"images": len(place.prepared.rows("validate")) + len(place.prepared.rows("test"))},
        created=tell_now(),
        parents=tuple(parents),
    )
    return keep_known(lineage, Lineage(nodes=(*nodes, predictions)))


def record_grader(folder: RunFolder, lineage: Lineage) -> Lineage:
    """Write a lineage, with the grader that was made from its predictions, to `lineage.json`."""
    whole = Lineage(nodes=(*lineage.nodes, grader_node(folder.grader, lineage)))
    return write_lineage(folder, keep_known(read_lineage(folder), whole))


def grader_node(grader: Path, lineage: Lineage | None) -> LineageNode:
    """Describe a grader folder; its hash is that of its weights, which hold its settings' hash.

    Raises GraderError where `Grader.load` would.
    """
    card = read_card(grader)
    seen = hash_file(grader / WEIGHTS_NAME)
    parents = [n.hash for n in lineage.nodes if n.kind in {"run", "predictions"}] if lineage else []
    return LineageNode(
        kind="grader",
        name=grader.resolve().name,
        hash=seen,
        counts={"findings": len(card.findings)},
        created=date_file(grader / WEIGHTS_NAME),
        parents=tuple(parents),
    )


def trace_run(settings: RunSettings, folder: RunFolder, hashes: Mapping[str, str]) -> Trace:
    """Put together what a run of these hashes descends from, and where its settings look for it.

    hashes: see `RunPlace`. Raises LineageError for a manifest that cannot be read.
    """
    trace, data = Trace(), settings.data
    corpus = LineageNode(kind="corpus listing", name=data.corpus, hash=hashes["corpus"])
    trace.add(corpus, data.root)
    labels = trace_table(trace, name_labels(data, corpus.hash), hashes["labels"])
    cache = name_cache(data)
    decoded = {"size": f"{data.cache.size}×{data.cache.size}", "storage": data.cache.storage}
    node = LineageNode(
        kind="image cache",
        name=cache.name,
        hash=hashes["images"],
        facts=decoded,
        created=date_file(cache / "manifest.json"),
        parents=(corpus.hash,),
    )
    parents = [labels, trace.add(node, cache)]
    weights = getattr(settings.task.tower.encoder, "weights", None)
    if "encoder_weights" in hashes and weights is not None:
        node = LineageNode(kind="weights", name=weights.path.name, hash=hashes["encoder_weights"])
        parents.append(trace.add(node, weights.path))
    correction = load_correction(settings.task.report_to_image)
    if correction is not None:
        asked = settings.task.report_to_image
        file = asked.path if isinstance(asked, ForwardCorrection) else None
        parents.append(trace_transition(trace, correction, file))
    node = LineageNode(
        kind="run",
        name=folder.path.resolve().name,
        hash=run_hash(hashes),
        facts={name: hashes[name] for name in UNPLACED if name in hashes},
        parents=tuple(parents),
    )
    trace.add(node, folder.path)
    return trace


def run_hash(hashes: Mapping[str, str]) -> str:
    """Name a run by all that it was made from: its settings, and the hashes of its data."""
    return hash_json(dict(hashes))


def name_run(place: RunPlace) -> Parent:
    """Name a run as the parent of its predictions, which lie in its folder."""
    name = place.folder.path.resolve().name
    return Parent(kind="run", name=name, hash=run_hash(place.hashes), path=".")


def read_lineage(folder: RunFolder) -> Lineage:
    """Read `lineage.json`; raises LineageError when it is missing or no lineage."""
    try:
        return Lineage.model_validate_json(folder.lineage.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LineageError(f"{folder.lineage}: no such file; the run is older than it") from None
    except ValidationError as error:
        raise LineageError(
            f"{folder.lineage}: not the lineage of a run: {tell_first(error)}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise LineageError(f"{folder.lineage}: not the lineage of a run: {error}") from error


def describe_start(folder: RunFolder) -> dict[str, str]:
    """Say which Kerley began a run, and with what it was gone on."""
    facts = {
        "kerley": version("kerley"),
        "git": _find_revision(),
        "resumed with": describe_accepted(folder.read_accepted()),
    }
    return {name: said for name, said in facts.items() if said}


def keep_known(before: Lineage, lineage: Lineage) -> Lineage:
    """Leave what has the same hash and parents as it was first described, with its date."""
    known = {(node.kind, node.hash, node.parents): node for node in before.nodes}
    return Lineage(nodes=tuple(known.get((n.kind, n.hash, n.parents), n) for n in lineage.nodes))


def write_lineage(folder: RunFolder, lineage: Lineage) -> Lineage:
    """Write `lineage.json` atomically; return the lineage."""
    write_text(folder.lineage, lineage.model_dump_json(indent=2) + "\n")
    return lineage


def _up_to(lineage: Lineage, own: str) -> tuple[LineageNode, ...]:
    (last,) = (n for n, node in enumerate(lineage.nodes) if (node.kind, node.hash) == ("run", own))
    return lineage.nodes[: last + 1]


def tell_now() -> str:
    """Give the time as it stands in a lineage."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def date_file(file: Path) -> str:
    """Give when a file was written, "" where it is not there."""
    try:
        changed = file.stat().st_mtime
    except OSError:
        return ""
    return datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")


def _find_revision() -> str:
    """Give the commit of Kerley's own checkout, `-dirty` behind it when changed; "" elsewhere."""
    root, git = Path(__file__).parents[2], shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    asked = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return said.stdout.strip() if said.returncode == 0 else ""
