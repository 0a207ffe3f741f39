"""The words for where a finding lies, how large it is, and how it has changed."""

from __future__ import annotations

import numpy as np

from data_cards.phantom.grammar import load_language, pick
from data_cards.phantom.perception import LARGE, SMALL, Seen
from data_cards.phantom.raster import RIGHT

ZONE_WORDS = {
    ("right", "upper"): ("right upper lobe", "RUL", "right upper lung", "right apex"),
    ("right", "mid"): ("right middle lobe", "RML", "right mid lung", "right mid zone"),
    ("right", "lower"): ("right lower lobe", "RLL", "right lung base", "right base"),
    ("left", "upper"): ("left upper lobe", "LUL", "left upper lung", "left apex"),
    ("left", "mid"): ("lingula", "left mid lung", "left mid zone"),
    ("left", "lower"): ("left lower lobe", "LLL", "left lung base", "retrocardiac region"),
}
SIZE_WORDS = (
    ("small", "tiny", "trace", "minimal", "small"),
    ("moderate", "moderate-sized", "small to moderate"),
    ("large", "moderate to large", "large"),
)


def change_of(before: float, now: float, threshold: float) -> str:
    """Return improved, worsened or unchanged."""
    if abs(now - before) < threshold:
        return "unchanged"
    return "worsened" if now > before else "improved"


def finding_context(seen: Seen, rng: np.random.Generator) -> dict[str, str]:
    """Return the words that a template of this finding may ask for."""
    side = "right" if not seen.sides or seen.sides[0] == RIGHT else "left"
    both = len(seen.sides) > 1
    size = SIZE_WORDS[int(seen.size > SMALL) + int(seen.size > LARGE)]
    return {
        "side": side,
        "sides": "bilateral" if both else side,
        "effusion_": "effusions" if both else "effusion",
        "size": pick(rng, size),
        "zone": pick(rng, ZONE_WORDS[side, seen.zone]),
        "base": pick(rng, (f"{side} base", f"{side} lung base", f"{side} costophrenic angle")),
        "millimetres": str(max(4, round(26 * seen.size + rng.normal(0, 1)))),
        "ordinal": pick(rng, load_language().general.ordinals),
    }
