"""The repair queue: which labels to mend first, and why; its reads never feed an estimate."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import SEVERITY_LEVELS
from data_cards.label_table import SEVERITY_PROBABILITY_COLUMNS, probability_column
from text_labeler.audit.conflicts import SEVERITY, name_call
from text_labeler.audit.planning import AuditPlan, hash_study, name_item
from text_labeler.audit.records import AuditError, Item
from text_labeler.audit.strata import list_calls, stratify

Array = NDArray[np.float64]

IMAGE_PROBABILITIES = (
    SEVERITY_PROBABILITY_COLUMNS,
    tuple(f"p{level}_calibrated" for level in range(SEVERITY_LEVELS)),
    tuple(f"p{level}" for level in range(SEVERITY_LEVELS)),
)
"""Where a table of predictions may hold the grades' probabilities; the first set found is read."""


class RepairTables(NamedTuple):
    """What an order may be read from: other labelers' tables by name, and a model's predictions.

    predictions: study_id and `<finding>_p`; of severity `edema_p0`… or `p0`…, which is averaged
    over the images of a study.
    """

    table: pd.DataFrame
    others: Mapping[str, pd.DataFrame]
    predictions: pd.DataFrame | None = None


class _Ranking(NamedTuple):
    scores: Array
    reasons: list[str]


def rank_repairs(
    plan: AuditPlan, tables: RepairTables, by: str, number: int, *, blind: Collection[Item]
) -> list[Item]:
    """Return the `number` most suspicious studies of each finding, worst first, each with a reason.

    by: `disagreement` (between labelers), `entropy` (of the label's probability), `image` (a
    model of the image against the report's label), or any column of numbers of the label table or
    the predictions, higher first. Studies of the blind sample and of other audits are left out,
    and so are those with a score of 0, none, or without end. Raises AuditError when what `by`
    needs is missing.
    """
    ranked = [
        (item, rank / max(1, number))
        for one in plan.findings
        for rank, item in enumerate(_rank_finding(plan, one.finding, tables, by, number, blind))
    ]
    # The findings' worst come first, then their second worst, and so on.
    ranked.sort(key=lambda pair: pair[1])
    return [Item(**{**vars(item), "place": place}) for place, (item, _) in enumerate(ranked)]


def _rank_finding(
    plan: AuditPlan,
    finding: str,
    tables: RepairTables,
    by: str,
    number: int,
    blind: Collection[Item],
) -> list[Item]:
    table = tables.table
    scores, reasons = _score(finding, tables, by)
    scores = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    # Drawn for whatever finding: the marks of one finding tell of the others.
    drawn = {item.study_id for item in blind}
    held = {*plan.excluded, *plan.held}
    strata = stratify(table, finding)
    calls = list_calls(strata["call"])
    items: list[Item] = []
    for row in np.argsort(-scores, kind="stable"):
        study = str(table["study_id"].iloc[row])
        if len(items) == number or not scores[row] > 0:
            break
        if study in drawn or (held and hash_study(plan.salt, study) in held):
            continue
        items.append(
            Item(
                item_id=name_item(plan.salt, study, finding),
                study_id=study,
                finding=finding,
                queue="repair",
                pool=plan.pool,
                stratum=str(strata["stratum"].iloc[row]),
                place=0,
                call=calls[row],
                score=float(scores[row]),
                reason=reasons[row],
            )
        )
    return items


def _score(finding: str, tables: RepairTables, by: str) -> _Ranking:
    if by == "disagreement":
        return _score_disagreement(finding, tables)
    if by == "entropy":
        return _score_entropy(finding, tables.table)
    if by == "image":
        return _score_image(finding, tables)
    return _score_column(tables, by)


def _score_disagreement(finding: str, tables: RepairTables) -> _Ranking:
    if not tables.others:
        raise AuditError("disagreement: needs another labeler's table (--other LABELS)")
    own = [name_call(finding, call) for call in list_calls(tables.table[finding])]
    scores = np.zeros(len(own))
    said: list[list[str]] = [[] for _ in own]
    for name, other in tables.others.items():
        differs = stratify(tables.table, finding, [other])["stratum"] == "labelers_disagree"
        codes = list_calls(other.set_index("study_id")[finding].reindex(tables.table["study_id"]))
        scores += differs.to_numpy()
        for row in np.flatnonzero(differs):
            said[row].append(f"{name} says {_tell(finding, codes[row])}")
    reasons = [
        f"labelers disagree: this one says {_plain(verdict)}, {', '.join(others)}"
        for verdict, others in zip(own, said, strict=True)
    ]
    return _Ranking(scores / len(tables.others), reasons)


def _score_entropy(finding: str, table: pd.DataFrame) -> _Ranking:
    shares = _take_probabilities(finding, table)
    if shares is None:
        raise AuditError(f"{finding}: entropy: the label table has no probabilities of it")
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(np.where(shares > 0, shares * np.log2(shares), 0), axis=1)
    reasons = [
        f"unsure: {_tell_shares(finding, share)}, {bits:.2f} bits"
        for share, bits in zip(shares, entropy, strict=True)
    ]
    return _Ranking(entropy, reasons)


def _score_image(finding: str, tables: RepairTables) -> _Ranking:
    if tables.predictions is None:
        raise AuditError("image: needs a model's predictions (--predictions FILE)")
    of_study = tables.predictions.groupby("study_id").mean(numeric_only=True)
    shares = _take_probabilities(finding, of_study.reindex(tables.table["study_id"]))
    if shares is None:
        raise AuditError(f"{finding}: image: the predictions have no probabilities of it")
    calls = list_calls(tables.table[finding])
    if finding == SEVERITY:
        rows = np.arange(len(calls))
        said = np.array([call or 0 for call in calls])
        scores = np.array([np.nan if call is None else 1.0 for call in calls])
        scores = scores - shares[rows, said]
    else:
        targets = [{1: 1.0, -1: 0.5}.get(call or 0, 0.0) for call in calls]
        scores = np.abs(shares[:, 1] - targets)
    reasons = [
        f"the image says {_tell_shares(finding, share)}, the report {_tell(finding, call)}"
        for share, call in zip(shares, calls, strict=True)
    ]
    return _Ranking(scores, reasons)


def _score_column(tables: RepairTables, column: str) -> _Ranking:
    table = tables.table
    if column in table.columns and column != "study_id":
        values = table[column]
    elif tables.predictions is not None and column in tables.predictions.columns:
        of_study = tables.predictions.groupby("study_id").max(numeric_only=True)
        values = of_study.reindex(table["study_id"]).get(column, pd.Series(dtype=object))
    else:
        raise AuditError(
            f"{column!r}: no order of repairs; expected disagreement, entropy, image, or a column"
            " of the label table or of the predictions"
        )
    if not pd.api.types.is_numeric_dtype(values) or len(values) != len(table):
        raise AuditError(f"{column!r}: not a column of numbers")
    scores = values.to_numpy(dtype=float, na_value=np.nan)
    return _Ranking(scores, [f"{column} is {score:.3g}" for score in scores])


def _take_probabilities(finding: str, table: pd.DataFrame) -> Array | None:
    """Return probabilities [studies, classes], of a finding absent and present; None: not there."""
    if finding == SEVERITY:
        found = next((names for names in IMAGE_PROBABILITIES if set(names) <= set(table)), None)
        return None if found is None else table[list(found)].to_numpy(dtype=float)
    if probability_column(finding) not in table.columns:
        return None
    present = table[probability_column(finding)].to_numpy(dtype=float, na_value=np.nan)
    return np.stack([1 - present, present], axis=1)


def _tell_shares(finding: str, shares: Array) -> str:
    if finding == SEVERITY:
        return ", ".join(f"grade {grade} {share:.0%}" for grade, share in enumerate(shares))
    return f"present {shares[1]:.0%}"


def _tell(finding: str, call: int | None) -> str:
    return _plain(name_call(finding, call))


def _plain(verdict: str) -> str:
    return f"grade {verdict}" if verdict.isdigit() else verdict.replace("_", " ")
