"""How a report looks on paper: sections, headers, wrapping, typing errors, de-identification."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_cards.phantom.grammar import Sentence, fill, load_language, pick

TOPIC_ORDERS = (
    ("technical", "devices", "lungs", "edema", "pleura", "heart", "bones"),
    ("devices", "technical", "heart", "edema", "lungs", "pleura", "bones"),
    ("technical", "heart", "edema", "lungs", "pleura", "devices", "bones"),
    ("edema", "lungs", "pleura", "heart", "technical", "devices", "bones"),
    ("heart", "bones", "lungs", "edema", "pleura", "technical", "devices"),
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
REDACTABLE = re.compile(r"\b(structures|views|visualized|osseous|bony|spine|radiograph|vessels)\b")
SHOUTING, BRITISH, DICTATED = 0.04, 0.05, 0.10


@dataclass(frozen=True)
class Draft:
    """The content of a report before it is set."""

    kind: str
    views: tuple[str, ...]
    has_prior: bool
    asks_for_edema: bool
    body: tuple[Sentence, ...]
    impression: tuple[Sentence, ...]


def make_context(rng: np.random.Generator, sex: str, age: int) -> dict[str, str]:
    """Return the words for date, time, name, age and person, in one de-identification style."""
    person = pick(rng, load_language().general.persons[sex])
    style = int(rng.integers(4))
    year, month, day = 2110 + int(rng.integers(90)), rng.integers(1, 13), rng.integers(1, 29)
    if style == 0:
        marks = {"date": "___", "name": "___", "clock": "___", "age": "___ year old"}
    elif style == 1:
        marks = {"date": "XXXX", "name": "XXXX", "clock": "XXXX", "age": "XXXX-year-old"}
    elif style == 2:
        marks = {
            "date": f"[**{year}-{month}-{day}**]",
            "name": "[**Last Name (STitle) **]",
            "clock": "[**Time**]",
            "age": f"{age} year old",
        }
    else:
        words = ("year old", "y/o", "yo")
        marks = {"date": f"{month}/{day}/{year}", "name": "[** **]"}
        marks |= {"clock": f"{month}:{10 + day}", "age": f"{age} {pick(rng, words)}"}
    centimetres = f"{rng.uniform(2, 6.5):.1f}" if rng.random() < 0.7 else "___"
    return {**marks, "person": person, "centimetres": centimetres}


def typeset(
    draft: Draft, rng: np.random.Generator, context: Mapping[str, str], *, typo_rate: float
) -> str:
    """Set a draft as one text; wording is only changed by typing errors and house style."""
    body = _order(draft.body, rng)
    impression = list(draft.impression)
    blanks = context["date"] == "XXXX"
    texts = [[_finish(s.text, rng, typo_rate, blanks) for s in part] for part in (body, impression)]
    sections = _sections(draft, rng, context, texts)
    text = _lay_out(sections, draft.kind, rng)
    style = rng.random()
    if style < SHOUTING:
        text = text.upper()
    elif style < SHOUTING + BRITISH:
        text = re.sub(
            r"\b([Ee])dema", lambda m: "O" * (m[1] == "E") + "o" * (m[1] == "e") + "edema", text
        )
    return text


def _order(sentences: Sequence[Sentence], rng: np.random.Generator) -> list[Sentence]:
    order = pick(rng, TOPIC_ORDERS)
    shuffled = [sentences[k] for k in rng.permutation(len(sentences))]
    return sorted(shuffled, key=lambda sentence: order.index(sentence.topic))


def _finish(text: str, rng: np.random.Generator, typo_rate: float, blanks: bool) -> str:
    words = [
        _mistype(word, rng) if draw < typo_rate else word
        for word, draw in zip(text.split(" "), rng.random(text.count(" ") + 1), strict=True)
    ]
    text = " ".join(words)
    if blanks:
        text = REDACTABLE.sub(lambda m: "XXXX" if rng.random() < 0.15 else m[0], text)
    return text[:1].upper() + text[1:] + "."


def _mistype(word: str, rng: np.random.Generator) -> str:
    """Swap, drop, double or replace one inner letter; short words and codes stay."""
    if len(word) < 5 or not word.isalpha() or word.isupper():
        return word
    k, kind = int(rng.integers(1, len(word) - 1)), int(rng.integers(4))
    if kind == 0:
        return word[:k] + word[k + 1] + word[k] + word[k + 2 :]
    if kind == 1:
        return word[:k] + word[k + 1 :]
    if kind == 2:
        return word[:k] + word[k] + word[k:]
    return word[:k] + pick(rng, LETTERS) + word[k + 1 :]


def _sections(
    draft: Draft,
    rng: np.random.Generator,
    context: Mapping[str, str],
    texts: list[list[str]],
) -> list[tuple[str, str]]:
    """Return (header, text) pairs in reading order; some reports lack some of them."""
    general = load_language().general
    indication = general.indications["edema" if draft.asks_for_edema else "other"]
    prior = general.comparisons["prior" if draft.has_prior else "none"]
    front = {
        "examination": (general.techniques[" ".join(draft.views)], 0.3),
        "indication": (indication, 0.85),
        "technique": (general.techniques[" ".join(draft.views)], 0.5),
        "comparison": (prior, 0.95 if draft.has_prior else 0.6),
    }
    names = list(front)
    if rng.random() < 0.2:
        names = [str(name) for name in rng.permutation(names)]
    sections = []
    for name in names:
        lines, chance = front[name]
        text = fill(pick(rng, lines), rng, context)
        if rng.random() < chance:
            ending = "" if text.endswith((".", "?")) or rng.random() < 0.2 else "."
            sections.append((name, text[:1].upper() + text[1:] + ending))
    main = "impression" if draft.kind == "only impression" else "findings"
    sections.append((main, " ".join(texts[0])))
    if draft.kind == "full":
        sections.append(("impression", _number(texts[1], rng)))
    return [(pick(rng, general.headers[name]), text) for name, text in sections]


def _number(sentences: list[str], rng: np.random.Generator) -> str:
    if len(sentences) < 2 or rng.random() < 0.4:
        return " ".join(sentences)
    between = "\n" if rng.random() < 0.6 else " "
    return between.join(f"{k}. {sentence}" for k, sentence in enumerate(sentences, 1))


def _lay_out(sections: list[tuple[str, str]], kind: str, rng: np.random.Generator) -> str:
    if kind == "unsectioned":
        front = [text for _, text in sections[:-1] if not text.startswith("No")]
        front = front if rng.random() < 0.5 else []
        return " ".join([*front, sections[-1][1]])
    if rng.random() < DICTATED:
        return " ".join(f"{header}: {text}" for header, text in sections)
    style = rng.random()
    if style < 0.35:  # one line of header and text, as hospital systems export
        return "\n\n".join(f"{header}: {text}" for header, text in sections)
    if style < 0.65:  # header on its own line
        return "\n\n".join(f"{header}:\n{text}" for header, text in sections)
    wrapped = []
    for header, text in sections:
        paragraph = "\n".join(
            textwrap.fill(line, 76, break_long_words=False) for line in text.split("\n")
        )
        wrapped.append(textwrap.indent(f"{header}:  {paragraph}", " "))
    return " " * 33 + "FINAL REPORT\n" + "\n \n".join(wrapped) + "\n"
