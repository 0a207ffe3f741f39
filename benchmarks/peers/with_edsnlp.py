"""EDS-NLP's negation and hypothesis engines, with English cues: its own are French."""

from __future__ import annotations

from collections.abc import Iterable

import edsnlp
import edsnlp.pipes as eds
from cues import (
    NEGATED_AHEAD,
    NEGATED_BEHIND,
    PSEUDO,
    TERMINATIONS,
    UNCERTAIN_AHEAD,
    UNCERTAIN_BEHIND,
)
from rounds import Label, Task, Way, drain, name_findings, serve


def prepare(task: Task) -> tuple[dict[str, Way], Label]:
    nlp = edsnlp.blank("eds")
    nlp.add_pipe(eds.sentences())
    nlp.add_pipe(eds.matcher(terms=task["concepts"], attr="LOWER"))
    nlp.add_pipe(
        eds.negation(
            pseudo=list(PSEUDO),
            preceding=list(NEGATED_AHEAD),
            preceding_regex=[],
            following=list(NEGATED_BEHIND),
            verbs=[],
            termination=list(TERMINATIONS),
            attr="LOWER",
        )
    )
    nlp.add_pipe(
        eds.hypothesis(
            pseudo=[],
            preceding=list(UNCERTAIN_AHEAD),
            following=list(UNCERTAIN_BEHIND),
            verbs_hyp=[],
            verbs_eds=[],
            termination=list(TERMINATIONS),
            attr="LOWER",
        )
    )

    def label() -> Iterable[list[str]]:
        for doc in nlp.pipe(task["bodies"]):
            present = {ent.label_ for ent in doc.ents if not (ent._.negation or ent._.hypothesis)}
            yield name_findings(task, present)

    return {"edsnlp": lambda: lambda: drain(nlp.pipe(task["reports"]))}, label


if __name__ == "__main__":
    serve(prepare)
