"""The reports that are timed: those given, a larger corpus made of them, and very long ones."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from text_labeler.phrases import PhraseTrie, expand_phrase, find_starts, split_words
from text_labeler.rule_files import read_rule_file
from text_labeler.rulebook import RULES_FOLDER, load_rulebook
from text_labeler.sections import SectionSplitter
from text_labeler.sentences import cut_pieces, make_readable

_HEADING = re.compile(r"\s*[A-Z][A-Z ]*:\s*")


def make_task(reports: list[str], whole: list[str], profile: str) -> dict[str, Any]:
    """Return what a labeler's process is given; `whole`: the reports to be labelled."""
    book = load_rulebook()
    sources = book.profile(profile).findings
    counted = {section for group in book.profile(profile).sections for section in group}
    bodies = [strip_headings(report, counted) for report in whole]
    return {
        "reports": reports,
        "whole": whole,
        "bodies": bodies,
        "profile": profile,
        "concepts": write_out_concepts(reports),
        "findings": {
            name: [*finding.concepts, *finding.positive_from] for name, finding in sources.items()
        },
    }


def strip_headings(report: str, counted: set[str]) -> str:
    """Return what stands in the sections that count, for labelers that know no sections."""
    splitter = SectionSplitter(load_rulebook().sections)
    text = make_readable(report).cased
    sections = [part for part in splitter.split(text) if part.name in counted]
    return "\n".join(report[part.start : part.end].strip() for part in sections)


def write_out_concepts(reports: list[str]) -> dict[str, list[str]]:
    """Return the phrases of each concept, and the spellings of them that the reports have.

    Our phrases stand for plurals, hyphens and variants too; a peer is given those as they occur.
    """
    concepts = read_rule_file(RULES_FOLDER / "findings.yaml").values["concepts"]
    phrases = {
        name: {written for phrase in concept["phrases"] for written in expand_phrase(phrase)}
        for name, concept in concepts.items()
    }
    trie = load_rulebook().phrases
    for piece in {piece for report in reports for piece in cut_pieces(report)}:
        for concept, spelling in find_spellings(piece, trie):
            phrases[concept].add(spelling)
    return {name: sorted(written) for name, written in phrases.items()}


def find_spellings(piece: str, trie: PhraseTrie) -> Iterator[tuple[str, str]]:
    """Give the concepts named in a piece of a report, with the words as they stand."""
    lowered = make_readable(piece).lowered
    words = split_words(lowered)
    starts = find_starts(lowered, words)
    for item in trie.find(words):
        if item.kind == "concept":
            end = starts[item.last - 1] + len(words[item.last - 1])
            yield item.name, " ".join(piece[starts[item.first] : end].lower().split())


def recombine(reports: list[str], count: int, new_share: float, seed: int) -> list[str]:
    """Return `count` synthetic reports: each sentence of a report drawn anew from its section.

    A share of `new_share` of the sentences is made unlike all others by two numbers at their end.
    """
    rng = random.Random(seed)
    cut = [list(_name_pieces(report)) for report in reports]
    drawer: dict[str, list[str]] = defaultdict(list)
    for pieces in cut:
        for section, piece in pieces:
            drawer[section].append(piece)
    made = []
    for _ in range(count):
        drawn = [rng.choice(drawer[section]) for section, _ in rng.choice(cut)]
        made.append(
            "".join(_make_new(piece, rng) if rng.random() < new_share else piece for piece in drawn)
        )
    return made


def _name_pieces(report: str) -> Iterator[tuple[str, str]]:
    """Give the pieces with their place: those with a heading, a line's last ones, and the rest."""
    name = ""
    for piece in cut_pieces(report):
        heading = _HEADING.match(piece)
        name = heading.group().strip() if heading else name
        yield f"{name}/{bool(heading)}/{piece[-1]!r}", piece


def _make_new(piece: str, rng: random.Random) -> str:
    text = piece.rstrip("\n .")
    if not text:  # the end of a line stands alone
        return piece
    # Small numbers: a tokenizer, too, remembers the words that it has seen.
    place = f"on image {rng.randrange(1000)} of series {rng.randrange(1000)}"
    return f"{text} {place}{piece[len(text) :]}"


def make_long_texts(reports: list[str]) -> dict[str, Callable[[int], str]]:
    """Return by name what makes a text of so many characters: reports, and what might be slow."""
    joined = "\n\n".join(reports)
    no_stops = re.sub(r"[.?!:\n]+", " ", joined)
    words = sorted(set(re.findall(r"[a-z]+", joined.lower())))
    units = {
        "reports, one after the other": joined + "\n\n",
        "reports on one line without stops": no_stops,
        "no no no": "no ",
        "without": "without ",
        "possible": "possible ",
        "edema": "edema ",
        "edema, edema,": "edema, ",
        "no edema or edema": "no edema or ",
        "no edema.": "no edema. ",
        "commas": ",",
        "digits": "7",
        "numbers": "2.5 ",
        "list numbers": "1. ",
        "newlines": "\n",
        "spaces": " ",
        "words on lines": "edema\n",
        "broken lines": "the\n",
        "abbreviations": "Dr. ",
        "stops": ".",
        "question marks": " ?",
        "headings": "FINDINGS: ",
        "colons": ":",
        "capitals": "A ",
        "masks": "XXXX ",
        "underscores": "_",
        "open masks": "[**",
        "open brackets": "([",
        "hyphens": "a-",
        "letters": "a",
        "letters that grow": "İ",
        "control characters": "\x00",
    }
    texts = {name: _repeat(unit) for name, unit in units.items()}
    return {"words in no order, no stops": partial(_shuffle, words), **texts}


def _shuffle(words: list[str], size: int) -> str:
    rng = random.Random(0)
    return " ".join(rng.choices(words, k=size // 2))[:size]


def _repeat(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]
