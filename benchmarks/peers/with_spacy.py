"""The floor: spaCy's tokenizer for English alone, and with its rule for sentences."""

from __future__ import annotations

from collections.abc import Callable

import spacy
from rounds import Task, Way, drain, serve


def prepare(task: Task) -> tuple[dict[str, Way], None]:
    reports = task["reports"]
    # A line feed is a special case of the tokenizer: it remembers no new word of a text behind
    # one, and is many times slower on reports of several lines.
    lines = [" ".join(report.split()) for report in reports]
    tokenizer, of_lines = spacy.blank("en"), spacy.blank("en")
    sentencizer = spacy.blank("en")
    sentencizer.add_pipe("sentencizer")

    def read_anew() -> Callable[[], object]:
        new = spacy.blank("en")  # a tokenizer remembers words; this one knows none yet
        return lambda: drain(new.pipe(reports))

    return {
        "tokenizer": lambda: lambda: drain(tokenizer.pipe(reports)),
        "tokenizer, each on one line": lambda: lambda: drain(of_lines.pipe(lines)),
        "tokenizer, new": read_anew,
        "tokenizer + sentencizer": lambda: lambda: drain(sentencizer.pipe(reports)),
    }, None


if __name__ == "__main__":
    serve(prepare)
