"""Walks from a label table to the corpora, rules and reads behind it, and looks what lies there.

The walk reads manifests only; `find_change` reads the things themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from configs.files import hash_file
from data_cards.corpora import CORPORA
from data_cards.label_table import LabelTableManifest, manifest_path
from data_cards.lineage import Lineage, LineageError, LineageNode, Parent
from data_cards.report_folder import read_report_folder
from data_cards.study import CorpusError

AS_IT_WAS = "as it was"
CHANGED = "changed since"
NOT_FOUND = "not found here"

NO_MANIFEST = "has no manifest: what it was made from is not known"
BROKEN_MANIFEST = "the manifest beside it cannot be read"
OTHER_MANIFEST = "the manifest beside it is another table's"


@dataclass
class Trace:
    """A lineage under way, and where on this disk its things lie, by hash."""

    nodes: dict[str, LineageNode] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)

    def add(self, node: LineageNode, place: Path | None = None) -> str:
        """Take a node once, behind its parents; return its hash."""
        self.nodes.setdefault(node.hash, node)
        if place is not None:
            self.places.setdefault(node.hash, place)
        return node.hash

    def lineage(self) -> Lineage:
        """Give the graph; what was added last is what it is the lineage of."""
        return Lineage(nodes=tuple(self.nodes.values()))


class _Table(NamedTuple):
    file: Path
    sha256: str


def trace_table(trace: Trace, file: Path, sha256: str) -> str:
    """Add a label table, as its manifest tells of it, and all that it descends from.

    sha256: the bytes that the lineage means; a manifest of others, or one that cannot be read, is
    not followed, which the node's facts note. Raises LineageError for tables that descend from
    themselves.
    """
    return _trace(trace, _Table(file, sha256), ())


def recorded_hash(file: Path) -> str:
    """Give the hash that a table's manifest names for it, that of its bytes where it has none."""
    manifest = read_any_manifest(file)
    return hash_file(file) if manifest is None else manifest.table_hash


def read_any_manifest(file: Path) -> LabelTableManifest | None:
    """Read the manifest beside a table, which may be gone or changed; None where there is none."""
    beside = manifest_path(file)
    if not beside.is_file():
        return None
    try:
        return LabelTableManifest.model_validate_json(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LineageError(f"{beside}: not a label table's manifest: {error}") from error


def find_change(node: LineageNode, place: Path) -> str:
    """Compare a corpus or a file with its node: AS_IT_WAS, CHANGED or NOT_FOUND."""
    if not place.exists():
        return NOT_FOUND
    if node.kind != "corpus listing":
        return AS_IT_WAS if place.is_file() and hash_file(place) == node.hash else CHANGED
    try:
        if node.name in CORPORA:
            listing = CORPORA[node.name].read(place)
        elif node.name == "report_folder":
            listing = read_report_folder(place)
        else:
            # A table or a dataset of the Hub: which file and columns were meant is not recorded.
            return NOT_FOUND
    except CorpusError:
        return CHANGED
    return AS_IT_WAS if listing.content_hash == node.hash else CHANGED


def _trace(trace: Trace, table: _Table, above: Sequence[_Table]) -> str:
    if table.sha256 in {other.sha256 for other in above}:
        way = " ← ".join(other.file.name for other in (*above, table))
        raise LineageError(f"{manifest_path(table.file)}: a table descends from itself: {way}")
    name = table.file.name
    manifest, note = _read_if_any(table.file)
    if manifest is None or manifest.table_hash != table.sha256:
        note = note or OTHER_MANIFEST
        node = LineageNode(kind="label table", name=name, hash=table.sha256, facts={"note": note})
        return trace.add(node, table.file)
    parents = tuple(
        _trace_parent(trace, parent, manifest, (*above, table)) for parent in _parents_of(manifest)
    )
    told = {
        "labeler": manifest.labeler,
        "labeler_version": manifest.labeler_version,
        "profile": manifest.profile,
    }
    node = LineageNode(
        kind="label table",
        name=name,
        hash=table.sha256,
        counts={"studies": manifest.studies},
        facts={key: value for key, value in told.items() if value},
        parameters=manifest.parameters,
        created=manifest.created,
        parents=parents,
    )
    return trace.add(node, table.file)


def _read_if_any(file: Path) -> tuple[LabelTableManifest | None, str]:
    try:
        manifest = read_any_manifest(file)
    except LineageError:
        return None, BROKEN_MANIFEST
    return manifest, NO_MANIFEST if manifest is None else ""


def _trace_parent(
    trace: Trace, parent: Parent, manifest: LabelTableManifest, above: Sequence[_Table]
) -> str:
    child = above[-1].file
    place = None if parent.path is None else child.parent / parent.path
    if parent.kind == "label table" and place is not None:
        return _trace(trace, _Table(place, parent.hash), above)
    is_listed = parent.kind == "corpus listing" and parent.hash == manifest.corpus_hash
    counts = {"studies": manifest.studies} if is_listed else {}
    node = LineageNode(kind=parent.kind, name=parent.name, hash=parent.hash, counts=counts)
    return trace.add(node, place)


def _parents_of(manifest: LabelTableManifest) -> list[Parent]:
    """Give the parents; a manifest from before they were kept names corpus and rules at least."""
    if manifest.parents:
        return manifest.parents
    try:
        return [
            Parent(kind="corpus listing", name=manifest.corpus, hash=manifest.corpus_hash),
            Parent(kind="rules", name=manifest.profile or "rules", hash=manifest.rules_hash),
        ]
    except ValueError:  # imported tables put no hash there
        return []
