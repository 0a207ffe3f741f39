"""A lineage in lines of text: from the corpora at the top to what it is the lineage of."""

from __future__ import annotations

from collections.abc import Mapping

from data_cards.lineage import Lineage, LineageNode
from joint.lineage.layout import plain_parents

HASH_LETTERS = 12
NAME_LETTERS = 30
HASHES = frozenset({"settings", "parameters"})
UNTOLD = frozenset({"tokenizer", "split", "note"})
"""Facts that are in the JSON only, or told in words."""


def describe_lineage(lineage: Lineage, statuses: Mapping[str, str]) -> list[str]:
    """Give the way as an upturned tree, parents above their child, and what is known of each.

    statuses: by hash, as `check_lineage` gives them. What was shown once is not told again.
    """
    nodes = {node.hash: node for node in lineage.nodes}
    parents = plain_parents(lineage)
    rows: list[tuple[str, ...]] = []
    shown: set[str] = set()

    def show(own: str, ahead: str, corner: str) -> None:
        node, is_again = nodes[own], own in shown
        shown.add(own)
        inner = ahead + {"": "", "┌─ ": "   ", "├─ ": "│  "}[corner]
        for number, parent in enumerate(() if is_again else parents[own]):
            show(parent, inner, "├─ " if number else "┌─ ")
        rows.append(_describe(node, ahead + corner, statuses, is_again=is_again))

    used = {name for names in parents.values() for name in names}
    for end in (own for own in parents if own not in used):
        show(end, "", "")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return [line.rstrip() for line in lines]


def tell_counts(node: LineageNode, letters: int | None = None) -> str:
    """Give the counts of a node in words, `300 studies, 330 images`; the first that fit."""
    told = ""
    for name, count in node.counts.items():
        longer = f"{told}{', ' * bool(told)}{count:,} {name}"
        if letters is not None and len(longer) > letters:
            break
        told = longer
    return told


def tell_facts(node: LineageNode) -> str:
    """Give what is short to say on how a thing was made."""
    return ", ".join(
        f"{name} {value[:HASH_LETTERS] if name in HASHES else value}"
        for name, value in node.facts.items()
        if name not in UNTOLD
    )


def shorten(name: str, letters: int = NAME_LETTERS) -> str:
    """Cut the middle out of a long name; both ends tell most."""
    if len(name) <= letters:
        return name
    front = (letters - 1) // 2
    return f"{name[:front]}…{name[-(letters - 1 - front) :]}"


def tell_date(node: LineageNode) -> str:
    """Give day and minute."""
    return node.created[:16].replace("T", " ")


def _describe(
    node: LineageNode, lines: str, statuses: Mapping[str, str], *, is_again: bool
) -> tuple[str, ...]:
    head = (f"{lines}{node.kind}", shorten(node.name), node.hash[:HASH_LETTERS])
    if is_again:
        return (*head, "", "", "as above")
    told = [tell_counts(node), tell_facts(node), node.facts.get("note", "")]
    status = statuses.get(node.hash, "")
    return (*head, status, tell_date(node), "; ".join(part for part in told if part))
