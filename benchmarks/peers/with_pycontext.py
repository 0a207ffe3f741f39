"""pyConTextNLP: each sentence marked with items, one for each concept and cue.

Its reader of item files no longer works with today's PyYAML, so the items are made here. A concept
is one item with an alternation of the phrases that occur in the reports at all: an item for each
phrase would make it slower by the number of phrases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cues import (
    NEGATED_AHEAD,
    NEGATED_BEHIND,
    PSEUDO,
    TERMINATIONS,
    UNCERTAIN_AHEAD,
    UNCERTAIN_BEHIND,
)
from pyConTextNLP import helpers, pyConText
from pyConTextNLP.itemData import contextItem
from rounds import Label, Task, Way, drain, name_findings, serve

NEGATED = "definite_negated_existence"
UNCERTAIN = "ambivalent_existence"
CUES = (
    (NEGATED_AHEAD, NEGATED, "forward"),
    (NEGATED_BEHIND, NEGATED, "backward"),
    (UNCERTAIN_AHEAD, UNCERTAIN, "forward"),
    (UNCERTAIN_BEHIND, UNCERTAIN, "backward"),
    (PSEUDO, "exclusion", ""),
    (TERMINATIONS, "conj", "terminate"),
)


def prepare(task: Task) -> tuple[dict[str, Way], Label]:
    corpus = "\n".join((*task["reports"], *task["bodies"])).lower()
    cues = [
        contextItem((cue, category, rf"\b{re.escape(cue)}\b", rule))
        for words, category, rule in CUES
        for cue in words
    ]
    targets = []
    for concept, phrases in task["concepts"].items():
        occurring = sorted((p for p in phrases if p.lower() in corpus), key=len, reverse=True)
        if occurring:
            pattern = rf"\b(?:{'|'.join(map(re.escape, occurring))})\b"
            targets.append(contextItem((concept, concept, pattern, "")))
    splitter = helpers.sentenceSplitter()

    def read(report: str) -> set[str]:
        present: set[str] = set()
        for sentence in splitter.splitSentences(report):
            present |= mark(sentence)
        return present

    def mark(sentence: str) -> set[str]:
        markup = pyConText.ConTextMarkup()
        markup.setRawText(sentence.lower())
        markup.cleanText()
        markup.markItems(cues, mode="modifier")
        markup.markItems(targets, mode="target")
        markup.pruneMarks()
        markup.dropMarks("Exclusion")
        markup.applyModifiers()
        markup.pruneSelfModifyingRelationships()
        markup.dropInactiveModifiers()
        # `isModifiedByCategory` fails with today's networkx; this is what it does.
        return {
            node.getCategory()[0]
            for node in markup.getMarkedTargets()
            if not any(cue.isA((NEGATED, UNCERTAIN)) for cue in markup.predecessors(node))
        }

    def label() -> Iterable[list[str]]:
        return (name_findings(task, read(body)) for body in task["bodies"])

    return {"pycontext": lambda: lambda: drain(map(read, task["reports"]))}, label


if __name__ == "__main__":
    serve(prepare)
