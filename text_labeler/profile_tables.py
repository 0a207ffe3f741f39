"""Profiles as Markdown: what counts as which finding, and where profiles differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from text_labeler.aggregation import NO_FINDING
from text_labeler.phrases import expand_phrase
from text_labeler.rulebook import RuleBook
from text_labeler.rules_schema import FindingSources, NoFindingPolicy, Profile, StatusMeaning

SHOWN_CUES = 3
"""Cues that are shown for a status, one for each group of cues.yaml that gives it."""

_WITHOUT_CUE = {"affirmed": "no cue"}
_BEYOND = "the findings beyond CheXpert's 14"


def describe_profiles(book: RuleBook) -> str:
    """Return a page on all profiles of a rule book, beginning with where they differ."""
    profiles = [book.profiles[name] for name in sorted(book.profiles)]
    lines = [
        "# Label profiles",
        "",
        "A profile says what counts as which finding. Choose one with `--profile` or"
        ' `Labeler("…")`. The names in `code` are the concepts of `findings.yaml`, which lists'
        " their words. This page is written by `kerley explain-profile`.",
        "",
        *(f"- [{profile.name}](#{profile.name}): {profile.summary}" for profile in profiles),
        "",
        "The severity of edema (0 to 3) does not depend on the profile, but for the sections that"
        " count.",
        "",
        "## Where they differ",
        "",
        *_compare_findings(profiles, book.findings),
        "",
        *_compare_statuses(profiles),
        "",
        *_compare_no_finding(profiles),
    ]
    for profile in profiles:
        lines += ["", describe_profile(profile, book).rstrip("\n")]
    return "\n".join(lines) + "\n"


def describe_profile(profile: Profile, book: RuleBook) -> str:
    """Return the tables of one profile: findings, statuses, sections, No Finding."""
    lines = [
        f"## {profile.name}",
        "",
        profile.summary,
        "",
        "| finding | a kind of | concepts that count | uncertain when there is | positive when"
        " there is | negative when denied |",
        "|---|---|---|---|---|---|",
        *_list_findings(profile, book),
        "",
        "| status | given by | says | probability |",
        "|---|---|---|--:|",
        *_list_statuses(profile, book),
        "",
        *_describe_sections(profile, book),
        "",
        _describe_no_finding(profile.no_finding),
    ]
    return "\n".join(lines) + "\n"


def _list_findings(profile: Profile, book: RuleBook) -> Iterator[str]:
    for name in book.findings:
        sources = profile.findings.get(name)
        if sources is not None:
            parent = book.parents.get(name) or ""
            lists = (getattr(sources, part) for part in FindingSources.model_fields)
            yield _row(name, parent, *map(_join_concepts, lists))


def _list_statuses(profile: Profile, book: RuleBook) -> Iterator[str]:
    for name, meaning in profile.statuses.items():
        cues = [
            f"“{expand_phrase(cue.phrases[0])[0]}”"
            for cue in book.cues.values()
            if cue.status == name
        ]
        given_by = _WITHOUT_CUE.get(name) or ", ".join(cues[:SHOWN_CUES])
        share = "" if meaning.probability is None else f"{meaning.probability:.2f}"
        yield _row(
            name.replace("_", " "), given_by or _name_structure(name, book), meaning.says, share
        )


def _name_structure(status: str, book: RuleBook) -> str:
    """Name a structure that has the status by what is said of it, if one has."""
    for name, structure in book.structures.items():
        for predicate, means in structure.means.items():
            if status in means.values():
                return f"{name.replace('_', ' ')} called {predicate.replace('_', ' ')}"
    return ""


def _describe_sections(profile: Profile, book: RuleBook) -> Iterator[str]:
    counted = {name for group in profile.sections for name in group}
    yield (
        "Sections, the first that speaks of a finding decides on it: "
        + "; then ".join(_join_words(group) for group in profile.sections)
        + "."
    )
    yield (
        "These assert nothing: "
        + _join_words(name for name in book.sections.sections if name not in counted)
        + ". Within a group, positive goes before uncertain and uncertain before negative."
    )
    if profile.settled_by:
        yield (
            f"What {_join_words(profile.settled_by)} denies, and does not suspect or affirm,"
            " settles what the others of the last group only suspect."
        )


def _describe_no_finding(policy: NoFindingPolicy) -> str:
    ignored = [*policy.ignores]
    if policy.finer_findings == "ignored":
        ignored.append(_BEYOND)
    words = (
        f"{NO_FINDING} is positive ({policy.probability:.2f}) when a counted section says something"
        " and no finding is positive or uncertain"
    )
    if ignored:
        words += f", not counting {_join_words(ignored)}"
    if policy.blocked_by:
        words += f", nor is any of {_join_concepts(policy.blocked_by)}"
    if policy.when_abnormal == "blank":
        return f"{words}; otherwise it is left blank."
    return f"{words}; otherwise it is negative ({policy.probability_when_abnormal:.2f})."


def _compare_findings(profiles: Sequence[Profile], findings: Iterable[str]) -> list[str]:
    rows = [
        (name, [_name_sources(profile.findings.get(name)) for profile in profiles])
        for name in findings
    ]
    return _compare_rows("finding", profiles, rows)


def _compare_statuses(profiles: Sequence[Profile]) -> list[str]:
    names = dict.fromkeys(name for profile in profiles for name in profile.statuses)
    rows = [
        (
            name.replace("_", " "),
            [_name_meaning(profile.statuses.get(name)) for profile in profiles],
        )
        for name in names
    ]
    return _compare_rows("status", profiles, rows)


def _compare_no_finding(profiles: Sequence[Profile]) -> list[str]:
    cells = [_name_no_finding(profile.no_finding) for profile in profiles]
    return _compare_rows("No Finding", profiles, [("is taken away by", cells)])


def _compare_rows(
    head: str, profiles: Sequence[Profile], rows: Iterable[tuple[str, list[str]]]
) -> list[str]:
    """Return a table of the rows whose cells are not all the same, a column for each profile."""
    table = [
        _row(head, *(profile.name for profile in profiles)),
        "|---" * (len(profiles) + 1) + "|",
    ]
    return table + [_row(name, *cells) for name, cells in rows if len(set(cells)) > 1]


def _name_sources(sources: FindingSources | None) -> str:
    if sources is None:
        return "no such finding"
    parts = [_join_concepts(sources.concepts)]
    if sources.uncertain_from:
        parts.append(f"uncertain: {_join_concepts(sources.uncertain_from)}")
    if sources.positive_from:
        parts.append(f"positive: {_join_concepts(sources.positive_from)}")
    if sources.negative_from:
        parts.append(f"negative when denied: {_join_concepts(sources.negative_from)}")
    return "; ".join(filter(None, parts))


def _name_meaning(meaning: StatusMeaning | None) -> str:
    if meaning is None or meaning.probability is None:
        return "nothing"
    return f"{meaning.says} {meaning.probability:.2f}"


def _name_no_finding(policy: NoFindingPolicy) -> str:
    counted = [] if policy.finer_findings == "ignored" else [_BEYOND]
    counted += ["any other abnormality"] if policy.blocked_by else []
    taken = _join_words(["one of CheXpert's 14", *counted])
    but = f" but {_join_words(policy.ignores)}" if policy.ignores else ""
    return f"{taken}{but}; then it is {policy.when_abnormal}"


def _join_concepts(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _join_words(names: Iterable[str]) -> str:
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
