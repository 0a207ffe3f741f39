"""Where a corpus took its images from, and the classes that have sources of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

COLLECTION_HOSTS = {"github.com", "kaggle.com"}
"""Hosts of many collections, where owner and name tell them apart."""
PATH_WORDS = {"datasets"}
LONGEST_NAME = 60

OWN_SHARE = 0.95
"""A source is a class's own when this share of it is, were all classes of one size; a class is
given away when this share of it comes from sources of its own."""
FEWEST_IMAGES = 10
"""A smaller source is of one class by chance."""


def name_source(said: str) -> str | None:
    """Name the collection of a URL: its host; on Kaggle and GitHub with owner and name.

    The rest of a URL names single cases. Words that are no URL stay words, in small letters; None
    for nothing.
    """
    text = " ".join(said.split())
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:  # a bracket that no address has
        host = ""
    if " " in text or "." not in host:
        return text.casefold()[:LONGEST_NAME] or None
    if host not in COLLECTION_HOSTS:
        return host[:LONGEST_NAME]
    folders = [part for part in parts.path.split("/") if part and part not in PATH_WORDS]
    return "/".join((host, *folders[:2]))[:LONGEST_NAME].casefold()


def join_source(corpus: str, source: str | None) -> str:
    """Name a source beside those of other corpora: `corpus/source`, or the corpus alone."""
    return f"{corpus}/{source}" if source else corpus


def find_own_sources(
    classes: Sequence[str | None], sources: Sequence[str | None]
) -> dict[str, tuple[str, ...]]:
    """Give the classes that nearly no other class shares a source with, and their sources.

    One entry per image; those without class or source say nothing. Sources: the largest first.
    """
    known = [pair for pair in zip(classes, sources, strict=True) if None not in pair]
    pairs = Counter((str(name), str(source)) for name, source in known)
    per_class: Counter[str] = Counter()
    for (name, _), count in pairs.items():
        per_class[name] += count
    found = {}
    for name, size in per_class.items() if len(per_class) > 1 else ():
        own = [
            (count, source)
            for (of, source), count in pairs.items()
            if of == name and _is_own(name, source, pairs, per_class)
        ]
        if sum(count for count, _ in own) >= OWN_SHARE * size:
            found[name] = tuple(source for _, source in sorted(own, key=lambda one: -one[0]))
    return dict(sorted(found.items()))


def _is_own(
    name: str, source: str, pairs: Mapping[tuple[str, str], int], per_class: Mapping[str, int]
) -> bool:
    counts = {of: pairs.get((of, source), 0) for of in per_class}
    if sum(counts.values()) < FEWEST_IMAGES:
        return False
    rest = sum(per_class.values()) - per_class[name]
    inside = counts[name] / per_class[name]
    outside = (sum(counts.values()) - counts[name]) / rest
    return inside >= OWN_SHARE * (inside + outside)
