"""Judge a later version of the labels by the reads of an audit that was planned for an earlier.

A read is a fact about its report. The strata of the sample stay those of the plan, since they
say how likely each report was to be drawn; within each, the studies are counted apart by what the
later version calls them, and the reads of such a cell are a random sample of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from configs.settings import Settings
from text_labeler.audit.planning import AuditedLabels, AuditPlan, name_item, select_population
from text_labeler.audit.records import AuditError
from text_labeler.audit.strata import Cell, count_cells, list_calls, stratify


class LaterLabels(Settings):
    """A later version: the population by sampling stratum and its calls, and its call per item."""

    labels: AuditedLabels
    cells: tuple[Cell, ...]
    calls: dict[str, int | None]


def read_later(
    plan: AuditPlan,
    planned: pd.DataFrame,
    later: pd.DataFrame,
    labels: AuditedLabels,
    others: Sequence[pd.DataFrame] = (),
) -> LaterLabels:
    """Set the calls of a later label table against the strata of the plan.

    planned and others: the tables that the plan was made from. Raises AuditError when they are
    not, and when the later table lacks one of the plan's studies or findings.
    """
    population = select_population(plan, planned)
    by_study = later.set_index("study_id")
    missing = int((~population["study_id"].isin(by_study.index)).sum())
    if missing:
        raise AuditError(f"the later labels lack {missing} of the plan's {len(population)} studies")
    cells: list[Cell] = []
    calls: dict[str, int | None] = {}
    for one in plan.findings:
        if one.finding not in by_study.columns:
            raise AuditError(f"{one.finding!r}: no such column in the later labels")
        strata = stratify(population, one.finding, others)
        _check_strata(one.finding, strata, {part.stratum: part.population for part in one.strata})
        said = by_study[one.finding].reindex(population["study_id"]).reset_index(drop=True)
        cells += count_cells(strata, one.finding, said)
        calls |= {
            name_item(plan.salt, study, one.finding): call
            for study, call in zip(population["study_id"], list_calls(said), strict=True)
        }
    return LaterLabels(labels=labels, cells=tuple(cells), calls=calls)


def _check_strata(finding: str, strata: pd.DataFrame, planned: Mapping[str, int]) -> None:
    found = strata["stratum"].value_counts().to_dict()
    if found != dict(planned):
        raise AuditError(
            f"{finding}: the planned label table has other strata than the plan; give the very"
            " table that the audit was planned from"
        )
