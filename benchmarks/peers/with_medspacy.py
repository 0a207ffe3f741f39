"""medspaCy's target matcher and ConText with its own rules, after spaCy's quick sentencizer."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import medspacy  # noqa: F401 - registers the components
import spacy
from medspacy.target_matcher import TargetRule
from rounds import Label, Task, Way, drain, name_findings, serve

SETS_ASIDE = ("is_negated", "is_uncertain", "is_historical", "is_hypothetical", "is_family")


def prepare(task: Task) -> tuple[dict[str, Way], Label]:
    logging.disable(logging.CRITICAL)
    disable_loguru()
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    matcher = nlp.add_pipe("medspacy_target_matcher")
    matcher.add(
        [
            TargetRule(phrase, concept)
            for concept, phrases in task["concepts"].items()
            for phrase in phrases
        ]
    )
    nlp.add_pipe("medspacy_context")

    def label() -> Iterable[list[str]]:
        for doc in nlp.pipe(task["bodies"]):
            present = {
                ent.label_
                for ent in doc.ents
                if not any(getattr(ent._, attribute) for attribute in SETS_ASIDE)
            }
            yield name_findings(task, present)

    return {"medspacy": lambda: lambda: drain(nlp.pipe(task["reports"]))}, label


def disable_loguru() -> None:
    """Its messages would cost medspaCy time that is not its own."""
    from loguru import logger

    logger.remove()


if __name__ == "__main__":
    serve(prepare)
