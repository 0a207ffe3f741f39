"""A lineage that was found, and where on this disk its things lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data_cards.lineage import Lineage


@dataclass(frozen=True)
class Found:
    """A lineage and what of it lies here: by hash, where; remarks: what a reader must know."""

    lineage: Lineage
    places: Mapping[str, Path]
    remarks: tuple[str, ...] = ()
