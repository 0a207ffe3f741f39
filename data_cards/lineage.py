"""What a derived thing was made from: its parents by hash, and the graph that they span.

A manifest holds its own parents only; the whole graph is put together by walking from one to the
next, or read from the copy that a run keeps. Neither holds a study id, a word of a report, or an
absolute path.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from configs.files import hash_file, hash_json
from configs.settings import Settings

if TYPE_CHECKING:
    from data_cards.study import Listing

Kind = Literal[
    "corpus listing",
    "rules",
    "label file",
    "label table",
    "audited reads",
    "reference",
    "transition",
    "image cache",
    "mask cache",
    "weights",
    "run",
    "predictions",
    "evaluation",
    "grader",
    "model",
]
"""A label file is another's output in CSV; a label table is Kerley's, with a manifest; a reference
is what images show, which a run is held against; a model is a classifier or a segmenter."""


Plain = bool | int | float | str


class LineageError(ValueError):
    """A lineage that cannot be told; the message names the file and what is wrong there."""


class Parent(Settings):
    """One thing that another was made from.

    hash: hex, of the bytes or of the content that its own manifest names. path: where it lay, as
    seen from the child's folder, with `/`; None where that would name another folder of the disk.
    """

    kind: Kind
    name: str = Field(min_length=1)
    hash: str = Field(pattern=r"^[0-9a-f]{8,}$")
    path: str | None = None

    @field_validator("path")
    @classmethod
    def _check_relative(cls, path: str | None) -> str | None:
        if path is not None and (
            PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or path[:1] == "~"
        ):
            raise ValueError("the path of a parent is relative to its child's folder")
        return path


class LineageNode(Settings):
    """A thing in the graph; `parents` are the hashes of others in it.

    counts: numbers of what it holds; facts: short words and hashes on how it was made;
    parameters: a model's plain ones; created: ISO date and time, "" where it is not known.
    """

    kind: Kind
    name: str
    hash: str
    counts: dict[str, int] = Field(default_factory=dict)
    facts: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, Plain] = Field(default_factory=dict)
    created: str = ""
    parents: tuple[str, ...] = ()


class Lineage(Settings):
    """A graph from its roots to what it is the lineage of, which is the last node."""

    schema_version: Literal[1] = 1
    nodes: tuple[LineageNode, ...]

    @property
    def graph_hash(self) -> str:
        """SHA-256 of the hashes and who descends from whom, whatever the dates."""
        return hash_json(sorted([node.kind, node.hash, *node.parents] for node in self.nodes))


def describe_parent(kind: Kind, file: Path, child: Path) -> Parent:
    """Name a file as a parent of `child` by the SHA-256 of its bytes; LineageError without it."""
    if not file.is_file():
        raise LineageError(f"{file}: no such file; it was to be named as {kind}")
    return Parent(kind=kind, name=file.name, hash=hash_file(file), path=relative_path(file, child))


def describe_listing(listing: Listing, child: Path) -> Parent:
    """Name a corpus's listing as a parent of `child`."""
    return Parent(
        kind="corpus listing",
        name=listing.corpus,
        hash=listing.content_hash,
        path=relative_path(listing.table or listing.root, child),
    )


def relative_path(parent: Path, child: Path) -> str | None:
    """Say where `parent` lies as seen from the folder of the file `child`.

    None where the way leads through the top of the disk or of all home folders: such a path
    would tell the names of users and machines to whoever gets the child.
    """
    target, start = (Path(os.path.abspath(path)) for path in (parent, child.parent))  # noqa: PTH100
    try:
        shared = Path(os.path.commonpath([target, start]))
    except ValueError:  # two drives
        return None
    if shared == Path(shared.anchor) or shared in Path.home().parents:
        return None
    return PurePosixPath(Path(os.path.relpath(target, start))).as_posix()
