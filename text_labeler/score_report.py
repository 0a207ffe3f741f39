"""Scores as text: the tables that `kerley score` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from data_cards.findings import LabelCode
from text_labeler.gold import Gold
from text_labeler.scoring import score_findings, score_severity


def describe_scores(predicted: pd.DataFrame, gold: Gold, *, shared: Sequence[str]) -> Iterator[str]:
    """Give the lines of a score table for a label table against a reference.

    `shared`: findings for which micro and macro F1 are given once more, alone.
    """
    if gold.findings is not None:
        codes = [LabelCode.POSITIVE] if gold.presence_only else list(LabelCode)[::-1]
        for code in codes:
            scores = score_findings(predicted, gold.findings, code=code)
            if not scores.micro.support:
                continue
            rest = "; uncertain counts as absent" if code is LabelCode.POSITIVE else ""
            yield f"Findings, {code.name.lower()} against all else ({scores.studies} studies{rest})"
            yield _table(scores.as_frame())
            alone = scores.only(shared)
            if code is LabelCode.POSITIVE and len(alone.scores) == len(shared):
                micro, macro = alone.micro, alone.macro_f1
                yield (
                    f"{', '.join(shared)} alone: micro F1 {micro.f1:.3f}"
                    f" (precision {micro.precision:.3f}, recall {micro.recall:.3f}),"
                    f" macro F1 {macro:.3f}"
                )
    if gold.severity is not None:
        severity = score_severity(predicted, gold.severity)
        yield "Edema severity: the reference's level by row, the labels' level by column"
        yield _table(severity.as_frame())
        yield (
            f"given a level {severity.coverage:.3f} of all; where both have one: accuracy"
            f" {severity.accuracy:.3f}, quadratic kappa {severity.quadratic_kappa:.3f};"
            f" macro F1 {severity.macro_f1:.3f}"
        )


def _table(frame: pd.DataFrame) -> str:
    return frame.to_string(index=False, float_format="{:.3f}".format, na_rep="-") + "\n"
