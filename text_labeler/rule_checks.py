"""Checks the rule files against each other: every name that one uses, another must define."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data_cards.findings import CHEXPERT_OBSERVATIONS, FINDINGS, PARENTS
from data_cards.label_table import LABEL_TABLE_SCHEMA
from text_labeler.rule_files import RuleError, RuleFile
from text_labeler.rules_schema import (
    FindingRules,
    FindingSources,
    Profile,
    SeverityRules,
    StructureRules,
)

LOST_DENIAL = "lost_denial"
UNGRADED = "ungraded"
"""The row of a severity table for edema without a grade word."""


@dataclass(frozen=True)
class Names:
    """Names that one file defines and others use. A finding read without any cue is affirmed."""

    concepts: set[str]
    cues: set[str]
    cue_statuses: set[str]
    findings: tuple[str, ...]
    sections: set[str]

    @property
    def statuses(self) -> set[str]:
        """All that can be said of a finding."""
        return {*self.cue_statuses, "affirmed", "normal", "borderline", "upper_normal", LOST_DENIAL}


def check_known(
    file: RuleFile, key: tuple[str, ...], given: Iterable[str], known: set[str]
) -> None:
    """Refuse a name that is not known, with its line."""
    for name in given:
        if name not in known:
            raise RuleError(f"{file.place((*key, name))}: {name!r} is not known in {'.'.join(key)}")


def check_structures(file: RuleFile, rules: StructureRules, names: Names) -> None:
    """Check that predicates, concepts and statuses of the structures are known."""
    for name, structure in rules.structures.items():
        key = ("structures", name, "means")
        check_known(file, key, structure.means, set(rules.predicates))
        for predicate, meaning in structure.means.items():
            check_known(file, (*key, predicate), meaning, names.concepts)
            check_known(file, (*key, predicate), meaning.values(), names.statuses)


def check_severity(file: RuleFile, rules: SeverityRules, names: Names) -> None:
    """Check the names in the severity rules, and that each row of its tables sums to 1."""
    for part, patterns in (
        ("patterns", rules.patterns),
        ("linked_patterns", rules.linked_patterns),
    ):
        for pattern, concepts in patterns.items():
            check_known(file, (part, pattern), concepts, names.concepts)
    check_known(file, ("denied_with",), rules.denied_with, names.concepts)
    check_known(file, ("linked_to",), rules.linked_to, set(rules.patterns))
    for part in ("linked_unless", "signs", "other_causes"):
        check_known(file, (part,), getattr(rules, part), names.concepts)
    check_known(file, ("explaining_cues",), rules.explaining_cues, names.cues)
    check_known(file, ("linked_patterns",), rules.linked_patterns, set(rules.affirmed))
    check_known(file, ("hedged",), rules.hedged, names.statuses)
    for part, statuses in rules.readings:
        check_known(file, ("readings", part), statuses, names.statuses)
    _check_tables(file, rules)


def _check_tables(file: RuleFile, rules: SeverityRules) -> None:
    for part, table in (("affirmed", rules.affirmed), ("denied", rules.denied)):
        check_known(file, (part,), table, set(rules.patterns))
        for pattern, rows in table.items():
            check_known(file, (part, pattern), rows, {*rules.grades, UNGRADED})
            if UNGRADED not in rows:
                raise RuleError(f"{file.place((part, pattern))}: needs a row `{UNGRADED}`")
            for grade, row in rows.items():
                _check_sum(file, (part, pattern, grade), row)
    _check_sum(file, ("otherwise",), rules.otherwise)
    _check_sum(file, ("denied_study",), rules.denied_study)


def _check_sum(file: RuleFile, key: tuple[str, ...], row: Iterable[float]) -> None:
    if abs(sum(row) - 1) > 1e-6:
        raise RuleError(f"{file.place(key)}: {'.'.join(key)}: sums to {sum(row):.3f}, not 1")


def check_finer_findings(file: RuleFile, rules: FindingRules, names: Names) -> None:
    """Check the names, parents and concepts of the finer findings."""
    for name, finding in rules.finer_findings.items():
        key = ("finer_findings", name)
        expected = PARENTS.get(name, finding.parent)
        if name in CHEXPERT_OBSERVATIONS or finding.parent != expected:
            raise RuleError(
                f"{file.place(key)}: {name!r} is one of the shipped findings"
                f" (its parent is {expected or 'none'}); what counts for it is for a profile to say"
            )
        if finding.parent and finding.parent not in CHEXPERT_OBSERVATIONS:
            raise RuleError(
                f"{file.place((*key, 'parent'))}: {finding.parent!r} is none of CheXpert's"
                f" observations: {', '.join(CHEXPERT_OBSERVATIONS)}"
            )
        _check_column(file, key, name)
        _check_sources(file, key, finding, names)


def _check_column(file: RuleFile, key: tuple[str, ...], name: str) -> None:
    taken = {*LABEL_TABLE_SCHEMA.names} - {*FINDINGS}
    if not name.strip() or name in taken or name.endswith("_p"):
        raise RuleError(f"{file.place(key)}: {name!r} cannot name a column of the label table")


def _check_sources(
    file: RuleFile, key: tuple[str, ...], sources: FindingSources, names: Names
) -> None:
    for part in FindingSources.model_fields:
        check_known(file, (*key, part), getattr(sources, part), names.concepts)


def check_profile(file: RuleFile, profile: Profile, names: Names) -> None:
    """Check that a profile names known findings, concepts and sections, and every status."""
    check_known(file, ("findings",), profile.findings, set(names.findings) - {"No Finding"})
    for finding, sources in profile.findings.items():
        _check_sources(file, ("findings", finding), sources, names)
    check_known(file, ("no_finding", "ignores"), profile.no_finding.ignores, set(names.findings))
    check_known(file, ("no_finding", "blocked_by"), profile.no_finding.blocked_by, names.concepts)
    for group in (*profile.sections, profile.settled_by):
        part = "settled_by" if group is profile.settled_by else "sections"
        check_known(file, (part,), group, names.sections)
    missing = names.statuses - set(profile.statuses)
    if missing:
        raise RuleError(f"{file.place(('statuses',))}: statuses: {sorted(missing)} are missing")
