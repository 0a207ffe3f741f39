"""The rules of the labeler, read from YAML, checked against each other, and ready for use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from configs.files import hash_json
from data_cards.findings import FINDINGS
from text_labeler.phrases import Entry, PhraseError, PhraseTrie, WordForms, expand_phrase
from text_labeler.rule_checks import (
    Names,
    check_finer_findings,
    check_known,
    check_profile,
    check_severity,
    check_structures,
)
from text_labeler.rule_files import RuleError, RuleFile, read_rule_file
from text_labeler.rule_layers import lay_over
from text_labeler.rules_schema import (
    AttributeRules,
    Cue,
    CueRules,
    FindingRules,
    FindingSources,
    Profile,
    SectionRules,
    SeverityRules,
    Structure,
    StructureRules,
    Words,
)
from text_labeler.sections import UNHEADED

RULES_FOLDER = Path(__file__).parent / "rules"
RULE_NAMES = ("words", "sections", "findings", "structures", "cues", "severity", "attributes")
PROFILE_PREFIX = "profile_"
OTHER_RULES = frozenset({"miccai2020"})
"""Files in the folder that belong to another labeler (keyword_grader.py)."""


@dataclass(frozen=True)
class RuleBook:
    """All rules of one folder; `content_hash` names them, whatever their comments and order.

    `findings`: all that a label table of these rules has columns for; `parents`: the finer ones
    with the observation that each is a kind of, if any.
    """

    sections: SectionRules
    cues: dict[str, Cue]
    routinely_denied: frozenset[str]
    structures: dict[str, Structure]
    severity: SeverityRules
    profiles: dict[str, Profile]
    findings: tuple[str, ...]
    parents: dict[str, str | None]
    attributes: AttributeRules
    phrases: PhraseTrie
    place_phrases: PhraseTrie
    content_hash: str

    def profile(self, name: str) -> Profile:
        """Return the profile of that name; raises RuleError listing the known ones."""
        if name not in self.profiles:
            raise RuleError(f"{name!r}: no such profile. Known: {', '.join(sorted(self.profiles))}")
        return self.profiles[name]


def load_rulebook(folder: Path = RULES_FOLDER) -> RuleBook:
    """Read, check and compile the rules in `folder`; raises RuleError with file and line.

    A folder that holds all files stands alone. One that holds only some is laid over the shipped
    rules (rule_layers.py). Rules are read anew when one of their files has changed.
    """
    return _load(folder, tuple(_stamp(one) for one in (RULES_FOLDER, folder)))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Tell one state of a folder's files from another."""
    files = [(path.name, path.stat()) for path in sorted(folder.glob("*.yaml"))]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in files)


@lru_cache(maxsize=8)
def _load(folder: Path, _stamps: object) -> RuleBook:
    files = _read_files(folder)
    profile_files = [file for name, file in files.items() if name.startswith(PROFILE_PREFIX)]
    findings = files["findings"].validate(FindingRules)
    structures = files["structures"].validate(StructureRules)
    cues = files["cues"].validate(CueRules)
    severity = files["severity"].validate(SeverityRules)
    profiles = [(file, file.validate(Profile)) for file in profile_files]
    words = files["words"].validate(Words)
    sections = files["sections"].validate(SectionRules)
    names = Names(
        set(findings.concepts),
        set(cues.cues),
        {cue.status for cue in cues.cues.values()},
        (*FINDINGS, *(name for name in findings.finer_findings if name not in FINDINGS)),
        {*sections.sections, UNHEADED},
    )
    check_structures(files["structures"], structures, names)
    check_known(files["cues"], ("routinely_denied",), cues.routinely_denied, names.concepts)
    check_severity(files["severity"], severity, names)
    check_finer_findings(files["findings"], findings, names)
    for file, profile in profiles:
        check_profile(file, profile, names)
    return RuleBook(
        sections=sections,
        cues=cues.cues,
        routinely_denied=frozenset(cues.routinely_denied),
        structures=structures.structures,
        severity=severity,
        profiles={profile.name: _add_finer_findings(profile, findings) for _, profile in profiles},
        findings=names.findings,
        parents={name: finding.parent for name, finding in findings.finer_findings.items()},
        attributes=files["attributes"].validate(AttributeRules),
        phrases=_compile(words, files, _PHRASE_LISTS),
        place_phrases=_compile(words, files, _PLACE_LISTS),
        content_hash=hash_json([file.values for file in files.values()]),
    )


def _read_files(folder: Path) -> dict[str, RuleFile]:
    """Return the folder's files by name in a fixed order, laid over the shipped ones if need be."""
    names = {path.stem for path in folder.glob("*.yaml")}
    profiles = {name for name in names if name.startswith(PROFILE_PREFIX)}
    unknown = names - profiles - {*RULE_NAMES, *OTHER_RULES}
    if unknown or not names:
        given = ", ".join(f"{name}.yaml" for name in sorted(unknown)) or "no YAML file"
        known = ", ".join(f"{name}.yaml" for name in (*RULE_NAMES, f"{PROFILE_PREFIX}<name>"))
        raise RuleError(f"{folder}: {given}; expected some of {known}")
    own = {name: read_rule_file(folder / f"{name}.yaml") for name in sorted(names - OTHER_RULES)}
    if names >= set(RULE_NAMES) and profiles:
        return {name: own[name] for name in (*RULE_NAMES, *sorted(profiles))}
    files = _read_files(RULES_FOLDER)
    for name, file in own.items():
        files[name] = lay_over(files[name], file) if name in files else file
    return files


def _add_finer_findings(profile: Profile, rules: FindingRules) -> Profile:
    """Return the profile with the sources of the finer findings that it does not name itself."""
    finer = {
        name: FindingSources(**finding.model_dump(exclude={"parent"}))
        for name, finding in rules.finer_findings.items()
    }
    return profile.model_copy(update={"findings": {**finer, **profile.findings}})


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
    forms.add_misspellings(words.often_misspelled, vocabulary)
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
