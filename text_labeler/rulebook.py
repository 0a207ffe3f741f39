"""The rules of the labeler, read from YAML, checked against each other, and ready for use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from configs.files import hash_json
from data_cards.findings import FINDINGS
from text_labeler.phrases import Entry, PhraseError, PhraseTrie, WordForms, expand_phrase
from text_labeler.rule_files import RuleError, RuleFile, read_rule_file
from text_labeler.rules_schema import (
    AttributeRules,
    Cue,
    CueRules,
    FindingRules,
    Profile,
    SectionRules,
    SeverityRules,
    Structure,
    StructureRules,
    Words,
)

RULES_FOLDER = Path(__file__).parent / "rules"
RULE_NAMES = ("words", "sections", "findings", "structures", "cues", "severity", "attributes")
PROFILE_PREFIX = "profile_"


@dataclass(frozen=True)
class RuleBook:
    """All rules of one folder; `content_hash` names them, whatever their comments and order."""

    sections: SectionRules
    cues: dict[str, Cue]
    structures: dict[str, Structure]
    severity: SeverityRules
    profiles: dict[str, Profile]
    attributes: AttributeRules
    phrases: PhraseTrie
    place_phrases: PhraseTrie
    content_hash: str

    def profile(self, name: str) -> Profile:
        """Return the profile of that name; raises RuleError listing the known ones."""
        if name not in self.profiles:
            raise RuleError(f"{name!r}: no such profile. Known: {', '.join(sorted(self.profiles))}")
        return self.profiles[name]


@cache
def load_rulebook(folder: Path = RULES_FOLDER) -> RuleBook:
    """Read, check and compile the rules in `folder`; raises RuleError with file and line."""
    files = {name: read_rule_file(folder / f"{name}.yaml") for name in RULE_NAMES}
    profile_files = [
        read_rule_file(path) for path in sorted(folder.glob(f"{PROFILE_PREFIX}*.yaml"))
    ]
    if not profile_files:
        raise RuleError(f"{folder}: holds no {PROFILE_PREFIX}<name>.yaml")
    findings = files["findings"].validate(FindingRules)
    structures = files["structures"].validate(StructureRules)
    cues = files["cues"].validate(CueRules)
    severity = files["severity"].validate(SeverityRules)
    profiles = [(file, file.validate(Profile)) for file in profile_files]
    words = files["words"].validate(Words)
    names = _Names(
        set(findings.concepts), set(cues.cues), {cue.status for cue in cues.cues.values()}
    )
    _check_structures(files["structures"], structures, names)
    _check_severity(files["severity"], severity, names)
    for file, profile in profiles:
        _check_profile(file, profile, names)
    return RuleBook(
        sections=files["sections"].validate(SectionRules),
        cues=cues.cues,
        structures=structures.structures,
        severity=severity,
        profiles={profile.name: profile for _, profile in profiles},
        attributes=files["attributes"].validate(AttributeRules),
        phrases=_compile(words, files, _PHRASE_LISTS),
        place_phrases=_compile(words, files, _PLACE_LISTS),
        content_hash=hash_json([file.values for file in (*files.values(), *profile_files)]),
    )


@dataclass(frozen=True)
class _Names:
    """Names that one file defines and others use. A finding read without any cue is affirmed."""

    concepts: set[str]
    cues: set[str]
    cue_statuses: set[str]

    @property
    def statuses(self) -> set[str]:
        return {*self.cue_statuses, "affirmed", "normal", "borderline", "upper_normal"}


def _check_known(
    file: RuleFile, key: tuple[str, ...], given: Iterable[str], known: set[str]
) -> None:
    for name in given:
        if name not in known:
            raise RuleError(f"{file.place((*key, name))}: {name!r} is not known in {'.'.join(key)}")


def _check_structures(file: RuleFile, rules: StructureRules, names: _Names) -> None:
    for name, structure in rules.structures.items():
        key = ("structures", name, "means")
        _check_known(file, key, structure.means, set(rules.predicates))
        for predicate, meaning in structure.means.items():
            _check_known(file, (*key, predicate), meaning, names.concepts)
            _check_known(file, (*key, predicate), meaning.values(), names.statuses)


def _check_severity(file: RuleFile, rules: SeverityRules, names: _Names) -> None:
    for part, patterns in (
        ("patterns", rules.patterns),
        ("linked_patterns", rules.linked_patterns),
    ):
        for pattern, concepts in patterns.items():
            _check_known(file, (part, pattern), concepts, names.concepts)
    _check_known(file, ("denied_with",), rules.denied_with, names.concepts)
    _check_known(file, ("linked_to",), rules.linked_to, set(rules.patterns))
    _check_known(file, ("linked_unless",), rules.linked_unless, names.concepts)
    _check_known(file, ("explaining_cues",), rules.explaining_cues, names.cues)
    _check_known(file, ("linked_patterns",), rules.linked_patterns, set(rules.affirmed))
    _check_known(file, ("hedged",), rules.hedged, names.statuses)
    for part, statuses in rules.readings:
        _check_known(file, ("readings", part), statuses, names.statuses)


def _check_profile(file: RuleFile, profile: Profile, names: _Names) -> None:
    _check_known(file, ("findings",), profile.findings, set(FINDINGS) - {"No Finding"})
    for finding, sources in profile.findings.items():
        for part, concepts in sources:
            _check_known(file, ("findings", finding, part), concepts, names.concepts)
    _check_known(file, ("no_finding", "ignores"), profile.no_finding.ignores, set(FINDINGS))
    _check_known(file, ("no_finding", "blocked_by"), profile.no_finding.blocked_by, names.concepts)
    missing = names.statuses - set(profile.statuses)
    if missing:
        raise RuleError(f"{file.place(('statuses',))}: statuses: {sorted(missing)} are missing")


def _compile(words: Words, files: dict[str, RuleFile], lists: tuple[PhraseList, ...]) -> PhraseTrie:
    entries = [
        (written, Entry(kind, name, file.place(key)))
        for kind, name, file, key, phrase in _list_phrases(files, lists)
        for written in _expand(phrase, file.place(key))
    ]
    forms = WordForms()
    forms.add_listed(words.same_word)
    vocabulary = {
        word for written, _ in entries for word in forms.split(written.lower().replace("-", " "))
    }
    forms.add_plurals(vocabulary)
    trie = PhraseTrie(forms)
    for written, entry in entries:
        try:
            trie.add(written, entry)
        except PhraseError as error:
            raise RuleError(f"{entry.place}: {error}") from error
    return trie


def _expand(phrase: str, place: str) -> list[str]:
    try:
        return expand_phrase(phrase)
    except PhraseError as error:
        raise RuleError(f"{place}: {error}") from error


PhraseList = tuple[str, str, tuple[str, ...]]
"""Kind, file, and the path of keys to the list or mapping of phrases in it."""

_PHRASE_LISTS: tuple[PhraseList, ...] = (
    ("concept", "findings", ("concepts", "*", "phrases")),
    ("ignored", "findings", ("not_a_finding",)),
    ("predicate", "structures", ("predicates", "*")),
    ("structure", "structures", ("structures", "*", "phrases")),
    ("cue", "cues", ("cues", "*", "phrases")),
    ("clause_end", "cues", ("clause_ends",)),
    ("hedge_end", "cues", ("hedge_ends",)),
    ("joiner", "cues", ("joiners", "*")),
    ("ignored", "cues", ("not_a_cue",)),
    ("change", "cues", ("changes", "*")),
    ("grade", "severity", ("grades", "*")),
)
_PLACE_LISTS: tuple[PhraseList, ...] = (
    ("place", "attributes", ("places", "*", "phrases")),
    ("ignored", "attributes", ("not_a_place",)),
)


def _list_phrases(
    files: dict[str, RuleFile], lists: tuple[PhraseList, ...]
) -> Iterable[tuple[str, str, RuleFile, tuple[str | int, ...], str]]:
    for kind, file_name, pattern in lists:
        file = files[file_name]
        values = file.values[pattern[0]]
        groups = values.items() if "*" in pattern else [("", values)]
        for name, group in groups:
            inner = group["phrases"] if pattern[-1] == "phrases" else group
            prefix = tuple(name if part == "*" else part for part in pattern)
            for index, phrase in enumerate(inner):
                yield kind, name, file, (*prefix, index), phrase
