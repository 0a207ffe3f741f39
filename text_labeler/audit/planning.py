"""The plan of an audit: which reports are drawn for which finding, published before reading."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from configs.files import hash_json
from configs.settings import Settings, tell_first
from text_labeler.audit.allocation import allocate, expect_strata
from text_labeler.audit.promises import Promise, select_promises
from text_labeler.audit.records import AuditError, Item, Pool
from text_labeler.audit.strata import Cell, UncertainAs, count_cells, list_calls, stratify

DOUBLE_SHARE = 0.2
DOUBLE_READS = 100
"""Of each finding this share, or this many items where that is more, are read by two readers."""

USUAL_PACE = 20.0
"""Seconds for one read, before a pace is measured."""


class AuditedLabels(Settings):
    """Which version of which labels is audited: hashes of its file and corpus, and its maker."""

    name: str
    table_hash: str
    labeler: str
    labeler_version: str
    corpus: str
    corpus_hash: str


class AuditRequest(Settings):
    """What is asked of a plan.

    reads: first reads of each finding. expected: shares of studies with the finding by stratum,
    where they are better known than usual. salt: keeps study ids from being guessed from item
    ids; give a random text that is not published.
    """

    findings: tuple[str, ...]
    promises: tuple[Promise, ...]
    salt: str
    reads: tuple[int, ...]
    pace_seconds: float = Field(default=USUAL_PACE, gt=0)
    pool: Pool = "hold_out"
    seed: int = 0
    uncertain_as: UncertainAs = "not_positive"
    expected: dict[str, float] = Field(default_factory=dict)


class StratumPlan(Settings):
    """A stratum: how many studies it has, and how many of them are drawn."""

    stratum: str
    population: int
    reads: int


class FindingPlan(Settings):
    """The sample of one finding.

    cells: the population by stratum and call. double_reads: items drawn for two readers.
    """

    finding: str
    strata: tuple[StratumPlan, ...]
    cells: tuple[Cell, ...]
    double_reads: int

    @property
    def reads(self) -> int:
        """Items drawn for this finding."""
        return sum(stratum.reads for stratum in self.strata)


class AuditPlan(Settings):
    """A plan as it is published (`plan.json`).

    excluded: salted hashes of the studies that leave the population: they have no report. held:
    of those that other audits drew: they are not drawn again, but their stratum's others stand
    for them. sampling_hash: of the published list (`hash_sampling`). store: where the store lies,
    when that is not beside the plan.
    """

    version: int = 1
    labels: AuditedLabels
    others: tuple[AuditedLabels, ...] = ()
    promises: tuple[Promise, ...]
    pool: Pool
    seed: int
    salt: str
    uncertain_as: UncertainAs
    pace_seconds: float
    findings: tuple[FindingPlan, ...]
    excluded: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    sampling_hash: str
    created: str = ""
    store: str | None = None

    @property
    def reads(self) -> int:
        """First reads over all findings."""
        return sum(finding.reads for finding in self.findings)

    def to_json(self) -> str:
        """Return the text of `plan.json`, which the store and the certificate hash."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def minutes(self) -> float:
        """What the first reads take at the plan's pace."""
        return self.reads * self.pace_seconds / 60


def read_plan(text: str, where: str = "plan.json") -> AuditPlan:
    """Read a plan from its JSON; raises AuditError naming the first fault."""
    try:
        return AuditPlan.model_validate_json(text)
    except ValidationError as error:
        raise AuditError(f"{where}: not a plan of an audit: {tell_first(error)}") from error


def plan_audit(
    request: AuditRequest,
    labels: AuditedLabels,
    table: pd.DataFrame,
    others: Mapping[str, tuple[AuditedLabels, pd.DataFrame]] | None = None,
    *,
    excluded: Collection[str] = (),
    held: Collection[str] = (),
) -> AuditPlan:
    """Stratify a label table and deal the reads out to findings and strata.

    others: further label tables of the same studies by name; where they differ from `table` is a
    stratum of its own. excluded: ids of studies that leave the population: those without a report.
    held: of those that other audits drew. They are drawn by chance within their strata, mostly of
    positives: without them in the population, recall would be another's.
    Raises AuditError when nothing is left to draw from.
    """
    others = others or {}
    frame = _exclude(table, excluded)
    free = ~frame["study_id"].isin(set(held))
    if not free.any():
        raise AuditError("no studies: the label table is empty, or other audits hold all of them")
    tables = [other for _, other in others.values()]
    if not request.findings or len(set(request.findings)) < len(request.findings):
        raise AuditError(
            f"findings {', '.join(request.findings)}: expected at least one, once each"
        )
    plans = []
    for finding, reads in zip(request.findings, request.reads, strict=True):
        by_study = stratify(frame, finding, tables)
        cells = count_cells(by_study, finding)
        taken = Counter(by_study["stratum"][~free.to_numpy()])
        strata = expect_strata(cells, request.uncertain_as, request.expected, taken)
        measures = [one.measure for one in select_promises(request.promises, finding)]
        numbers = allocate(strata, measures, min(reads, int(free.sum())))
        plans.append(
            FindingPlan(
                finding=finding,
                strata=tuple(
                    StratumPlan(stratum=one.name, population=one.population, reads=number)
                    for one, number in zip(strata, numbers, strict=True)
                ),
                cells=tuple(cells),
                double_reads=_count_double(sum(numbers)),
            )
        )
    plan = AuditPlan(
        labels=labels,
        others=tuple(one for one, _ in others.values()),
        promises=request.promises,
        pool=request.pool,
        seed=request.seed,
        salt=request.salt,
        uncertain_as=request.uncertain_as,
        pace_seconds=request.pace_seconds,
        findings=tuple(plans),
        excluded=_hash_studies(request.salt, excluded),
        held=_hash_studies(request.salt, held),
        sampling_hash="",
    )
    items = _draw(plan, frame, tables)
    return plan.model_copy(update={"sampling_hash": hash_sampling(items)})


def draw_items(
    plan: AuditPlan, table: pd.DataFrame, others: Sequence[pd.DataFrame] = ()
) -> list[Item]:
    """Return the blind sample in its published order; the same plan and tables, the same list.

    Within each stratum any stretch of the list is a simple random sample. Raises AuditError when
    the tables give another list than the plan's.
    """
    items = _draw(plan, select_population(plan, table), others)
    if hash_sampling(items) != plan.sampling_hash:
        raise AuditError("the label tables give another sampling list than the plan's hash names")
    return items


def select_population(plan: AuditPlan, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a label table that the plan speaks of: those not excluded."""
    if not plan.excluded:
        return table
    return table[~_is_among(plan, plan.excluded, table["study_id"])].reset_index(drop=True)


def hash_sampling(items: Sequence[Item]) -> str:
    """SHA-256 of a sampling list: opaque id, finding, stratum, place, and readers needed."""
    return hash_json(
        [[item.item_id, item.finding, item.stratum, item.place, item.needed] for item in items]
    )


def hash_study(salt: str, study_id: str) -> str:
    """Name a study so that only who has the salt can tell whether it is a known one."""
    return hashlib.sha256(f"{salt}:{study_id}".encode()).hexdigest()[:32]


def name_item(salt: str, study_id: str, finding: str) -> str:
    """Name an item: 20 hex digits from which neither study nor finding can be read."""
    return hashlib.sha256(f"{salt}:{finding}:{study_id}".encode()).hexdigest()[:20]


def _exclude(table: pd.DataFrame, excluded: Collection[str]) -> pd.DataFrame:
    return table[~table["study_id"].isin(set(excluded))].reset_index(drop=True)


def _hash_studies(salt: str, studies: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(hash_study(salt, study) for study in set(studies)))


def _is_among(plan: AuditPlan, hashes: Collection[str], studies: pd.Series) -> NDArray[np.bool_]:
    known = set(hashes)
    among = [bool(known) and hash_study(plan.salt, study) in known for study in studies]
    return np.array(among, dtype=bool)


def _count_double(reads: int) -> int:
    return min(reads, max(DOUBLE_READS, round(DOUBLE_SHARE * reads)))


def _draw(plan: AuditPlan, frame: pd.DataFrame, others: Sequence[pd.DataFrame]) -> list[Item]:
    drawn = [item for one in plan.findings for item in _draw_finding(plan, one, frame, others)]
    order = _randomness(plan, "", "order").permutation(len(drawn))
    return [replace(drawn[number], place=place) for place, number in enumerate(order)]


def _draw_finding(
    plan: AuditPlan, one: FindingPlan, frame: pd.DataFrame, others: Sequence[pd.DataFrame]
) -> list[Item]:
    strata = stratify(frame, one.finding, others).sort_values("study_id", kind="stable")
    chosen: list[Item] = []
    for planned in one.strata:
        rows = strata[strata["stratum"] == planned.stratum]
        if len(rows) != planned.population:
            raise AuditError(
                f"{one.finding}, {planned.stratum}: {len(rows)} studies in the label table,"
                f" {planned.population} in the plan"
            )
        rows = rows[~_is_among(plan, plan.held, rows["study_id"])]
        order = _randomness(plan, one.finding, planned.stratum).permutation(len(rows))
        if plan.pool == "tune":  # from the other end: one seed does not draw a study for both
            order = order[::-1]
        drawn = rows.iloc[order[: planned.reads]]
        calls = list_calls(drawn["call"])
        for study, call in zip(drawn["study_id"], calls, strict=True):
            chosen.append(
                Item(
                    item_id=name_item(plan.salt, study, one.finding),
                    study_id=study,
                    finding=one.finding,
                    queue="blind",
                    pool=plan.pool,
                    stratum=planned.stratum,
                    place=0,
                    call=call,
                )
            )
    twice = _randomness(plan, one.finding, "twice").permutation(len(chosen))
    for number in twice[: one.double_reads]:
        chosen[number] = replace(chosen[number], needed=2)
    return chosen


def _randomness(plan: AuditPlan, finding: str, part: str) -> np.random.Generator:
    """Give each stratum its own stream, so that another stratum's size does not move its draws."""
    digest = hashlib.sha256(f"{plan.seed}:{finding}:{part}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
