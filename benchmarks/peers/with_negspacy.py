"""negspaCy with its clinical terms, on entities that spaCy's entity ruler finds."""

from __future__ import annotations

from collections.abc import Iterable

import negspacy.negation  # noqa: F401 - registers the component
import spacy
from negspacy.termsets import termset
from rounds import Label, Task, Way, drain, name_findings, serve


def prepare(task: Task) -> tuple[dict[str, Way], Label]:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns(
        [
            {"label": concept, "pattern": phrase}
            for concept, phrases in task["concepts"].items()
            for phrase in phrases
        ]
    )
    nlp.add_pipe("negex", config={"neg_termset": termset("en_clinical").get_patterns()})

    def label() -> Iterable[list[str]]:
        for doc in nlp.pipe(task["bodies"]):
            yield name_findings(task, {ent.label_ for ent in doc.ents if not ent._.negex})

    return {"negspacy": lambda: lambda: drain(nlp.pipe(task["reports"]))}, label


if __name__ == "__main__":
    serve(prepare)
