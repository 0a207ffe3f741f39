"""Where the boxes of a lineage's figure stand: in layers from corpus to grader, edges untangled.

Sugiyama's method: a layer by distance from the end, stand-ins where an edge crosses a layer, and
an order in each layer by the mean place of the neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from data_cards.lineage import Lineage, LineageError

SWEEPS = 8

Place = tuple[float, float]
Stop = tuple[str, int]
"""A node's hash and the layer where it, or an edge that comes from it, stands."""


@dataclass(frozen=True)
class Layout:
    """places: by hash, (layer, row), the layer 0 at the left, the row around 0; edges: the ways of
    parent → child through places, both ends included; layers and rows: how many of each."""

    places: Mapping[str, Place]
    edges: Sequence[Sequence[Place]]
    layers: int
    rows: int


def plain_parents(lineage: Lineage) -> dict[str, tuple[str, ...]]:
    """Give each node's parents that are in the lineage; a grader's predictions stand for its run.

    Raises LineageError for a node that descends from itself.
    """
    known = {node.hash: node.parents for node in lineage.nodes}
    above: dict[str, set[str]] = {}

    def find_above(own: str, under: tuple[str, ...]) -> set[str]:
        if own in under:
            raise LineageError(f"the lineage runs in a circle: {own[:12]} descends from itself")
        if own not in above:
            direct = [name for name in known[own] if name in known]
            further = [find_above(name, (*under, own)) for name in direct]
            above[own] = {*direct, *(name for names in further for name in names)}
        return above[own]

    for own in known:
        find_above(own, ())
    runs = {node.hash for node in lineage.nodes if node.kind == "run"}
    return {
        own: tuple(
            name
            for name in dict.fromkeys(parents)
            if name in known and not (name in runs and _is_told(name, parents, above))
        )
        for own, parents in known.items()
    }


def _is_told(run: str, parents: Sequence[str], above: Mapping[str, set[str]]) -> bool:
    return any(run in above.get(other, ()) for other in parents)


def lay_out(lineage: Lineage) -> Layout:
    """Place every node; raises LineageError for a circle."""
    parents = plain_parents(lineage)
    distance = dict.fromkeys(parents, 0)
    for node in reversed(_parents_first(parents)):
        for parent in parents[node]:
            distance[parent] = max(distance[parent], distance[node] + 1)
    last = max(distance.values())
    layer = {node: last - far for node, far in distance.items()}
    ways = [
        [(parent, step) for step in range(layer[parent], layer[child])] + [(child, layer[child])]
        for child, names in parents.items()
        for parent in names
    ]
    rows = _order(parents, layer, ways)
    tall = max(sum(stop[1] == number for stop in rows) for number in range(last + 1))
    places = {stop: (float(stop[1]), row) for stop, row in rows.items()}
    return Layout(
        places={node: places[node, layer[node]] for node in parents},
        edges=[[places[stop] for stop in way] for way in ways],
        layers=last + 1,
        rows=tall,
    )


def _parents_first(parents: Mapping[str, Sequence[str]]) -> list[str]:
    done: dict[str, None] = {}

    def take(node: str) -> None:
        for parent in parents[node]:
            if parent not in done:
                take(parent)
        done[node] = None

    for node in parents:
        if node not in done:
            take(node)
    return list(done)


def _order(
    parents: Mapping[str, Sequence[str]],
    layer: Mapping[str, int],
    ways: Sequence[Sequence[Stop]],
) -> dict[Stop, float]:
    stops = dict.fromkeys((node, layer[node]) for node in _parents_first(parents))
    stops |= dict.fromkeys(stop for way in ways for stop in way)
    layers = [
        [stop for stop in stops if stop[1] == number] for number in range(1 + max(layer.values()))
    ]
    joined: dict[Stop, set[Stop]] = {stop: set() for stop in stops}
    for way in ways:
        for left, right in pairwise(way):
            joined[left].add(right)
            joined[right].add(left)
    rows = {stop: row for names in layers for stop, row in _spread(names).items()}
    for sweep in range(SWEEPS):
        for names in layers if sweep % 2 else reversed(layers):
            wished = {s: sum(rows[n] for n in joined[s]) / max(len(joined[s]), 1) for s in names}
            rows |= _spread(sorted(names, key=lambda stop: (wished[stop], rows[stop])))
    return rows


def _spread(names: Sequence[Stop]) -> dict[Stop, float]:
    """Give rows one apart, around 0."""
    return {stop: row - (len(names) - 1) / 2 for row, stop in enumerate(names)}
