"""Walks from a label table to the corpora, rules and reads behind it, and looks what lies there.

The walk reads manifests only; `find_change` reads the things themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from configs.files import hash_file, hash_json
from configs.settings import tell_first
from data_cards.corpora import CORPORA
from data_cards.label_table import LabelTableManifest, manifest_path
from data_cards.lineage import Lineage, LineageError, LineageNode, Parent, Plain
from data_cards.report_folder import read_report_folder
from data_cards.study import CorpusError
from data_cards.transition import ConsensusSource, ReportToImage

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


def trace_transition(trace: Trace, transition: ReportToImage, file: Path | None) -> str:
    """Add a report→image transition with the reads and labels behind it; `file`: where it lies."""
    source, own = transition.source, transition.content_hash
    if not isinstance(source, ConsensusSource):
        name = source.name if file is None else file.name
        told = {"prior": source.name}
        return trace.add(LineageNode(kind="transition", name=name, hash=own, facts=told), file)
    name = Path(source.file).name
    reads = LineageNode(kind="audited reads", name=name, hash=source.sha256)
    name = Path(source.labels_file).name
    labels = LineageNode(kind="label table", name=name, hash=source.labels_sha256)
    node = LineageNode(
        kind="transition",
        name="transition" if file is None else file.name,
        hash=own,
        counts={"images": source.images, "studies": source.studies},
        facts={"prior": source.prior},
        created=source.created,
        parents=(trace.add(reads), trace.add(labels)),
    )
    return trace.add(node, file)


def read_any_manifest(file: Path) -> LabelTableManifest | None:
    """Read the manifest beside a table, which may be gone or changed; None where there is none."""
    beside = manifest_path(file)
    if not beside.is_file():
        return None
    try:
        return LabelTableManifest.model_validate_json(beside.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise LineageError(
            f"{beside}: not a label table's manifest: {tell_first(error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise LineageError(f"{beside}: not a label table's manifest: not UTF-8 text") from error


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Plain]:
    """Give the numbers, switches and single words of a model's parameters, `settings.rate` → value.

    Its matrices and remarks stay in the manifest, whose hash of them the node's facts hold.
    """
    plain: dict[str, Plain] = {}
    for name, value in parameters.items():
        inner = (
            {f"{name}.{key}": one for key, one in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        for key, one in inner.items():
            if isinstance(one, bool | int | float) or (isinstance(one, str) and one.isidentifier()):
                plain[key] = one
    return plain


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
        else:  # a dataset of the Hub
            return NOT_FOUND
    except CorpusError:
        # Which columns of a table were meant is not recorded.
        return NOT_FOUND if node.name == "report_table" else CHANGED
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
    told = (manifest.labeler, manifest.labeler_version, manifest.profile)
    facts = {"labeler": " ".join(part for part in told if part)}
    if manifest.parameters:
        facts["parameters"] = hash_json(manifest.parameters)
    node = LineageNode(
        kind="label table",
        name=name,
        hash=table.sha256,
        counts={"studies": manifest.studies},
        facts=facts,
        parameters=plain_parameters(manifest.parameters),
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
    counts = {}
    if parent.kind == "corpus listing" and parent.hash == manifest.corpus_hash:
        counts = {"studies": manifest.studies}
    used = manifest.parameters.get("audited")
    if parent.kind == "audited reads" and isinstance(used, dict):
        counts = {"reads used": sum(used.values())}
    node = LineageNode(kind=parent.kind, name=parent.name, hash=parent.hash, counts=counts)
    return trace.add(node, place)


def _parents_of(manifest: LabelTableManifest) -> list[Parent]:
    """Give the parents; a manifest from before they were kept names corpus and rules at least."""
    if manifest.parents:
        return manifest.parents
    try:
        return [
            Parent(kind="corpus listing", name=manifest.corpus, hash=manifest.corpus_hash),
            Parent(kind="rules", name=manifest.labeler, hash=manifest.rules_hash),
        ]
    except ValueError:  # imported tables put no hash there
        return []
