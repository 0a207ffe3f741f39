"""What the rule files may hold: one pydantic class for each YAML file in `rules/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.settings import Settings

Probability = Annotated[float, Field(ge=0, le=1)]
Distribution = tuple[Probability, Probability, Probability, Probability]
"""Probabilities of severity 0, 1, 2, 3."""

Phrases = Annotated[tuple[str, ...], Field(min_length=1)]
GradeTable = dict[str, dict[str, Distribution]]


class Words(Settings):
    """words.yaml: spellings that read as one word."""

    same_word: dict[str, tuple[str, ...]]
    often_misspelled: tuple[str, ...]


class SectionRules(Settings):
    """sections.yaml: headings, what ends a section, and what does not end a sentence."""

    sections: dict[str, Phrases]
    subjects: dict[str, Phrases]
    short: tuple[str, ...]
    body: tuple[str, ...]
    abbreviations: tuple[str, ...]
    continuing_words: tuple[str, ...]


class Concept(Settings):
    """One thing in the image and the phrases that name it."""

    phrases: Phrases


class FindingSources(Settings):
    """The concepts that speak for one finding."""

    concepts: tuple[str, ...] = ()
    uncertain_from: tuple[str, ...] = ()
    positive_from: tuple[str, ...] = ()
    negative_from: tuple[str, ...] = ()


class FinerFinding(FindingSources):
    """A finding beside CheXpert's observations; `parent`: the observation it is a kind of."""

    parent: str | None = None


class FindingRules(Settings):
    """findings.yaml."""

    concepts: dict[str, Concept]
    not_a_finding: tuple[str, ...]
    finer_findings: dict[str, FinerFinding]


class Structure(Settings):
    """A normal part of the body; `means`: predicate class → concept → status."""

    phrases: Phrases
    means: dict[str, dict[str, str]]


class StructureRules(Settings):
    """structures.yaml."""

    predicates: dict[str, Phrases]
    structures: dict[str, Structure]


class Cue(Settings):
    """Words that give findings on one side of them a status."""

    looks: Literal["ahead", "behind", "both", "either"]
    status: str
    after_cue: Literal["joins", "replaces"] = "replaces"
    phrases: Phrases


class CueRules(Settings):
    """cues.yaml."""

    cues: dict[str, Cue]
    clause_ends: Phrases
    hedge_ends: Phrases
    routinely_denied: tuple[str, ...]
    joiners: dict[Literal["comma", "and", "alternative"], Phrases]
    not_a_cue: tuple[str, ...]
    changes: dict[Literal["transition", "better", "worse", "unchanged", "new", "present"], Phrases]


class Place(Settings):
    """Words for a side, a region, or both; nothing where they name none."""

    laterality: Literal["", "left", "right", "bilateral"] = ""
    anatomy: str = ""
    phrases: Phrases


class AttributeRules(Settings):
    """attributes.yaml."""

    places: dict[str, Place]
    not_a_place: tuple[str, ...]
    prepositions: tuple[str, ...]
    articles: tuple[str, ...]


class SeverityReadings(Settings):
    """Which statuses affirm and which deny a pattern of edema."""

    affirmed: tuple[str, ...]
    denied: tuple[str, ...]


class SeverityRules(Settings):
    """severity.yaml: patterns, grade words and the tables from both to probabilities."""

    patterns: dict[str, tuple[str, ...]]
    denied_with: tuple[str, ...]
    linked_patterns: dict[str, tuple[str, ...]]
    linked_to: tuple[str, ...]
    linked_unless: tuple[str, ...]
    signs: tuple[str, ...]
    other_causes: tuple[str, ...]
    explaining_cues: tuple[str, ...]
    grades: dict[str, Phrases]
    affirmed: GradeTable
    denied: GradeTable
    denied_study: Distribution
    hedged: dict[str, Probability]
    otherwise: Distribution
    readings: SeverityReadings


class NoFindingPolicy(Settings):
    """When a report counts as No Finding, in a profile."""

    ignores: tuple[str, ...]
    finer_findings: Literal["ignored", "counted"]
    blocked_by: tuple[str, ...]
    when_abnormal: Literal["blank", "negative"]
    probability: Probability
    probability_when_abnormal: Probability


class StatusMeaning(Settings):
    """What a status says of a finding, in a profile."""

    says: Literal["positive", "uncertain", "negative", "nothing"]
    probability: Probability | None = None

    @model_validator(mode="after")
    def _needs_probability(self) -> StatusMeaning:
        if (self.says == "nothing") != (self.probability is None):
            raise ValueError("a status needs a probability, unless it says nothing")
        return self


class Profile(Settings):
    """profile_<name>.yaml: what counts as which finding."""

    name: str
    summary: str
    findings: dict[str, FindingSources]
    no_finding: NoFindingPolicy
    statuses: dict[str, StatusMeaning]
    sections: Annotated[tuple[Phrases, ...], Field(min_length=1)]
    settled_by: tuple[str, ...] = ()
