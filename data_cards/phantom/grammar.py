"""The grammar of the reports: YAML files of phrases, and how a template becomes words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from configs.settings import Settings, load_settings

INNERMOST = re.compile(r"\{([^{}]*)\}")
FOLDER = Path(__file__).parent

T = TypeVar("T")


class Group(Settings):
    """Texts that mean one thing: in which manner, about which findings (1, 0, −1)."""

    manner: str
    says: dict[str, int]
    texts: tuple[str, ...]
    sides: Literal["one", "both"] | None = None


class FindingLanguage(Settings):
    """The texts of one finding and where in a report it is written about."""

    topic: str
    groups: tuple[Group, ...]


class EdemaLanguage(Settings):
    """The texts of edema by severity ("0" to "3"), without a grade, and of its signs."""

    levels: dict[str, tuple[Group, ...]]
    ungraded: tuple[Group, ...]
    signs: dict[str, tuple[Group, ...]]


class GeneralLanguage(Settings):
    """Everything in a report that is not a finding."""

    slots: dict[str, tuple[str, ...]]
    indications: dict[str, tuple[str, ...]]
    techniques: dict[str, tuple[str, ...]]
    comparisons: dict[str, tuple[str, ...]]
    technical: dict[str, tuple[str, ...]]
    clear: tuple[str, ...]
    normal: dict[str, tuple[str, ...]]
    lists: tuple[str, ...]
    denials: dict[str, tuple[str, ...]]
    impressions: dict[str, tuple[str, ...]]
    headers: dict[str, tuple[str, ...]]
    persons: dict[str, tuple[str, ...]]
    ordinals: tuple[str, ...]


class FindingsLanguage(Settings):
    """The texts of every finding but edema, under CheXpert's names."""

    findings: dict[str, FindingLanguage]


class Language(NamedTuple):
    """All texts of the phantom's reports."""

    general: GeneralLanguage
    edema: EdemaLanguage
    findings: dict[str, FindingLanguage]


class Sentence(NamedTuple):
    """One sentence of a report and what it says, known because it was chosen and not parsed."""

    topic: str
    text: str
    says: Mapping[str, int]
    states_severity: bool = False
    hedges: bool = False


@lru_cache(maxsize=1)
def load_language() -> Language:
    """Read and check the three phrase files; SettingsError names file and line of a mistake."""
    return Language(
        load_settings(GeneralLanguage, FOLDER / "language.yaml"),
        load_settings(EdemaLanguage, FOLDER / "language_edema.yaml"),
        load_settings(FindingsLanguage, FOLDER / "language_findings.yaml").findings,
    )


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """Choose one item; unlike `rng.choice` it keeps the item's type."""
    return items[int(rng.integers(len(items)))]


def fill(template: str, rng: np.random.Generator, context: Mapping[str, str]) -> str:
    """Turn a template into words.

    `{a|b|}` chooses an alternative (the last one empty), `{name}` is taken from `context` or
    from the slots of language.yaml; an alternative that is such a name is looked up as well.
    """
    slots = load_language().general.slots

    def choose(match: re.Match[str]) -> str:
        choice = pick(rng, match.group(1).split("|"))
        if choice in context:
            return context[choice]
        return pick(rng, slots[choice]) if choice in slots else choice

    while "{" in template:
        template = INNERMOST.sub(choose, template)
    words = " ".join(template.split())
    return words.replace(" ,", ",").replace(" .", ".")


def write(
    groups: Sequence[Group], topic: str, rng: np.random.Generator, context: Mapping[str, str]
) -> Sentence:
    """Choose a text among groups, each text as likely as any other, and fill it."""
    counts = np.cumsum([len(group.texts) for group in groups])
    number = int(rng.integers(counts[-1]))
    index = int(np.searchsorted(counts, number, side="right"))
    group = groups[index]
    text = group.texts[number - int(counts[index] - len(group.texts))]
    return Sentence(topic, fill(text, rng, context), group.says, hedges=group.manner == "hedged")


def groups_for(groups: Sequence[Group], manner: str, *, sides: str | None = None) -> list[Group]:
    """Select the groups of a manner that fit one-sided or two-sided findings."""
    return [g for g in groups if g.manner == manner and g.sides in (None, sides)]
