"""The floor: spaCy's tokenizer for English alone, and with its rule for sentences."""

from __future__ import annotations

from collections.abc import Callable

import spacy
from rounds import Task, Way, drain, serve


def prepare(task: Task) -> tuple[dict[str, Way], None]:
    reports = task["reports"]
    tokenizer = spacy.blank("en")
    sentencizer = spacy.blank("en")
    sentencizer.add_pipe("sentencizer")

    def read_anew() -> Callable[[], object]:
        new = spacy.blank("en")  # a tokenizer remembers words; this one knows none yet
        return lambda: drain(new.pipe(reports))

    return {
        "tokenizer": lambda: lambda: drain(tokenizer.pipe(reports)),
        "tokenizer, new": read_anew,
        "tokenizer + sentencizer": lambda: lambda: drain(sentencizer.pipe(reports)),
    }, None


if __name__ == "__main__":
    serve(prepare)
