"""The lineage of a run as W&B artifacts: kinds, hashes and counts; no name, path, word or row."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from configs.files import write_atomically, write_json
from data_cards.lineage import Lineage, LineageNode
from vision.grader_card import GraderCard, copy_weights, read_card, write_card

Job = Literal["train", "evaluate", "mine", "combine", "audit", "cache"]
"""What a mirrored run did; a combination is a label table that was made from label tables."""

JOB_OF_KIND: Mapping[str, Job] = {
    "label table": "mine",
    "transition": "audit",
    "image cache": "cache",
    "mask cache": "cache",
}
ALIAS_DIGITS = 12
PUBLIC_FACTS = frozenset({"size", "storage", "kerley"})
"""The facts of a lineage whose words may leave; of all others only hashes do."""

_HASH = re.compile(r"[0-9a-f]{8,64}")


class ArtifactCard(NamedTuple):
    """What W&B gets to know of a thing: its kind, its hash as alias, and a content of numbers."""

    kind: str
    hash: str
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The kind, in letters that W&B takes; its versions are told apart by their alias."""
        return self.kind.replace(" ", "-")

    @property
    def alias(self) -> str:
        """The first digits of the hash."""
        return self.hash[:ALIAS_DIGITS]


class MirroredStep(NamedTuple):
    """A run at W&B that uses artifacts and makes others; run_id: None for the trained run's own."""

    run_id: str | None
    job: Job
    uses: tuple[ArtifactCard, ...]
    makes: tuple[ArtifactCard, ...]


def describe_artifact(node: LineageNode, lineage: Lineage) -> ArtifactCard:
    """Say of a thing what may leave; `chain`: all that it descends from, each with its parents."""
    kinds = {other.hash: other.kind for other in lineage.nodes}
    above = _find_ancestors(node, lineage)
    content = {
        "kind": node.kind,
        "hash": node.hash,
        "counts": dict(node.counts),
        "facts": {key: value for key, value in node.facts.items() if _is_public(key, value)},
        "parameters": {
            key: value for key, value in node.parameters.items() if not isinstance(value, str)
        },
        "parents": [{"kind": kinds[parent], "hash": parent} for parent in node.parents],
        "chain": [
            {"kind": each.kind, "hash": each.hash, "parents": list(each.parents)} for each in above
        ],
    }
    return ArtifactCard(node.kind, node.hash, content)


def plan_lineage(lineage: Lineage) -> list[MirroredStep]:
    """Put a run's lineage into the order in which W&B learns of it: makers before users.

    A thing that was made from others has a small run of its own, whose id is its hash, so that
    all runs which train on one label table share the run that mined it.
    """
    cards = {node.hash: describe_artifact(node, lineage) for node in lineage.nodes}
    steps = [
        MirroredStep(
            f"{node.kind.replace(' ', '-')}-{node.hash[:ALIAS_DIGITS]}",
            _job_of(node, cards),
            tuple(cards[parent] for parent in node.parents),
            (cards[node.hash],),
        )
        for node in lineage.nodes
        if node.kind in JOB_OF_KIND and node.parents
    ]
    trained = [node for node in lineage.nodes if node.kind == "run"]
    # A grader's lineage can hold the runs that its weights came from; the last is this folder's.
    for node in trained[-1:]:
        made = [other for other in lineage.nodes if node.hash in other.parents]
        used = [*node.parents, *(p for other in made for p in other.parents)]
        mine = {node.hash, *(other.hash for other in made)}
        uses = [cards[parent] for parent in dict.fromkeys(used) if parent not in mine]
        makes = [cards[other.hash] for other in made]
        steps.append(MirroredStep(None, "train", tuple(uses), tuple(makes)))
    return steps


def stage_files(card: ArtifactCard, into: Path, source: Path | None, key: bytes) -> list[Path]:
    """Write what an artifact holds into a folder: `card.json`, and its files where asked for.

    source: a grader folder, whose lineage then has kinds instead of names, or
    `predictions.parquet`, which is written with studies under keyed hashes and without patients.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    write_json(into / "card.json", dict(card.content))
    if source is not None and source.is_dir():
        copy_weights(source, into / "grader")
        write_card(into / "grader", _without_names(read_card(source)))
    elif source is not None:
        _write_blinded(source, into / "predictions.parquet", key)
    return sorted(path for path in into.rglob("*") if path.is_file())


def blind_predictions(frame: pd.DataFrame, key: bytes) -> pd.DataFrame:
    """Give predictions with `study`, a keyed hash of the study id, instead of study and patient.

    key: secret bytes that stay here; without them a hash cannot be tried against known ids.
    """
    named = frame["study_id"].astype(str)
    hashed = [blake2b(name.encode(), key=key, digest_size=12).hexdigest() for name in named]
    blinded = frame.drop(columns=["study_id", "patient_id"])
    blinded.insert(0, "study", hashed)
    return blinded.sort_values(["study", "image"], ignore_index=True)


def _without_names(card: GraderCard) -> GraderCard:
    """Leave a grader's lineage its graph, which is all of it that the card's hash covers."""
    if card.lineage is None:
        return card
    nodes = [
        LineageNode(kind=node.kind, name=node.kind, hash=node.hash, parents=node.parents)
        for node in card.lineage.nodes
    ]
    return card.model_copy(update={"lineage": Lineage(nodes=tuple(nodes))})


def _write_blinded(source: Path, target: Path, key: bytes) -> None:
    blinded = blind_predictions(pd.read_parquet(source), key)
    with write_atomically(target) as temporary:
        blinded.to_parquet(temporary, index=False)


def _job_of(node: LineageNode, cards: Mapping[str, ArtifactCard]) -> Job:
    is_combined = any(cards[parent].kind == "label table" for parent in node.parents)
    return "combine" if node.kind == "label table" and is_combined else JOB_OF_KIND[node.kind]


def _is_public(name: str, value: str) -> bool:
    return name in PUBLIC_FACTS or _HASH.fullmatch(value) is not None


def _find_ancestors(node: LineageNode, lineage: Lineage) -> list[LineageNode]:
    wanted = set(node.parents)
    found = []
    for other in reversed(lineage.nodes):
        if other.hash in wanted:
            found.append(other)
            wanted |= set(other.parents)
    return found[::-1]
