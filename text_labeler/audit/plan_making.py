"""Carry out `kerley audit plan` and `estimate`: read files, plan, fill the store, estimate."""

from __future__ import annotations

import math
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pandas as pd

from text_labeler.audit.allocation import ExpectedStratum, expect_strata, share_reads
from text_labeler.audit.certificate import (
    CertificateFiles,
    make_certificate,
    write_certificate,
)
from text_labeler.audit.estimating import Estimate, estimate
from text_labeler.audit.forecast import Forecast, find_sufficient, forecast_plan
from text_labeler.audit.plan_files import (
    LabelFile,
    check_corpus,
    gather_documents,
    list_silent,
    name_others,
    open_audit,
    read_labels,
    write_audit,
)
from text_labeler.audit.planning import (
    USUAL_PACE,
    AuditedLabels,
    AuditPlan,
    AuditRequest,
    draw_items,
    plan_audit,
)
from text_labeler.audit.promises import Promise, parse_promises, select_promises
from text_labeler.audit.records import AuditError, Item, Pool
from text_labeler.audit.repair import RepairTables, rank_repairs
from text_labeler.audit.rescoring import LaterLabels, read_later
from text_labeler.audit.strata import UncertainAs, count_cells, stratify

Others = dict[str, tuple[AuditedLabels, pd.DataFrame]]


@dataclass(frozen=True)
class PlanChoices:
    """What `kerley audit plan` is given."""

    labels: Path
    source: str
    findings: tuple[str, ...]
    promise: str
    root: Path | None = None
    minutes: float | None = None
    pace: float | None = None
    pool: Pool = "hold_out"
    exclude: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    expected: dict[str, float] = field(default_factory=dict)
    uncertain_as: UncertainAs = "not_positive"
    repair: int = 0
    repair_by: str = "entropy"
    predictions: Path | None = None
    seed: int = 0
    store: str | None = None


@dataclass(frozen=True)
class MadeAudit:
    """An audit that was planned, and what each of its findings may be expected to show.

    sufficient: how many reads would prove what is promised of a finding; None where none do.
    silent: studies that were left out because they have no report.
    """

    file: Path
    plan: AuditPlan
    forecasts: list[list[Forecast]]
    strata: list[list[ExpectedStratum]]
    sufficient: list[int | None]
    repairs: int
    silent: int


def make_audit(choices: PlanChoices, folder: Path) -> MadeAudit:
    """Plan an audit and fill its folder; raises AuditError and what the readers of files raise."""
    from data_cards.corpora import read_source  # slow to import, and an estimate needs none

    promises = parse_promises(choices.promise)
    for finding in choices.findings:
        if not select_promises(promises, finding):
            raise AuditError(f"{finding}: nothing of {choices.promise!r} can be promised of it")
    labels = read_labels(choices.labels)
    others = name_others(choices.others)
    listing = read_source(choices.source, choices.root)
    check_corpus(labels, listing)
    silent = list_silent(listing)
    held, measured = _read_excluded(choices.exclude)
    pace = choices.pace or measured or USUAL_PACE
    strata = _expect(choices, labels, others, silent, held)
    sufficient = [
        find_sufficient(finding, own, select_promises(promises, finding), choices.seed)
        for finding, own in zip(choices.findings, strata, strict=True)
    ]
    request = AuditRequest(
        findings=choices.findings,
        promises=promises,
        salt=secrets.token_hex(16),
        reads=_choose_reads(choices, sufficient, pace),
        pace_seconds=pace,
        pool=choices.pool,
        seed=choices.seed,
        uncertain_as=choices.uncertain_as,
        expected=choices.expected,
    )
    plan = plan_audit(request, labels.about, labels.table, others, excluded=silent, held=held)
    plan = plan.model_copy(
        update={"created": datetime.now(UTC).isoformat(timespec="seconds"), "store": choices.store}
    )
    items = draw_items(plan, labels.table, [table for _, table in others.values()])
    repairs = _queue_repairs(choices, plan, labels, others, items)
    every = [*items, *repairs]
    file = write_audit(folder, plan, every, gather_documents(every, labels, listing))
    return MadeAudit(
        file, plan, _forecast(plan, strata, promises), strata, sufficient, len(repairs), len(silent)
    )


def estimate_audit(
    folder: Path,
    versions: tuple[Path, Path] | None = None,
    others: tuple[Path, ...] = (),
    certificate: Path | None = None,
) -> tuple[Estimate, CertificateFiles | None]:
    """Estimate an audit as it stands, for the planned labels or for a later version of them.

    versions: the planned and the later label table, and `others` those of the plan. certificate:
    a folder to write it into.
    """
    opened = open_audit(folder)
    later = None if versions is None else _read_versions(opened.plan, versions, others)
    found = estimate(opened.plan, opened.items, opened.reads, later=later)
    if certificate is None:
        return found, None
    made = make_certificate(
        opened.plan,
        opened.items,
        opened.reads,
        log_head=opened.log_head,
        created=datetime.now(UTC).date().isoformat(),
        later=later,
    )
    return found, write_certificate(made, certificate)


def _expect(
    choices: PlanChoices, labels: LabelFile, others: Others, silent: set[str], held: set[str]
) -> list[list[ExpectedStratum]]:
    frame = labels.table[~labels.table["study_id"].isin(silent)].reset_index(drop=True)
    if not len(frame):
        raise AuditError("no studies: the label table is empty, or none has a report")
    tables = [table for _, table in others.values()]
    is_held = frame["study_id"].isin(held).to_numpy()
    expected = []
    for finding in choices.findings:
        strata = stratify(frame, finding, tables)
        cells = count_cells(strata, finding)
        taken = Counter(strata["stratum"][is_held])
        expected.append(expect_strata(cells, choices.uncertain_as, choices.expected, taken))
    return expected


def _choose_reads(
    choices: PlanChoices, sufficient: list[int | None], pace: float
) -> tuple[int, ...]:
    if choices.minutes is not None:
        if not math.isfinite(choices.minutes):
            raise AuditError("--minutes: expected a number of minutes")
        return share_reads(int(choices.minutes * 60 / pace), len(choices.findings))
    hopeless = [one for one, reads in zip(choices.findings, sufficient, strict=True) if not reads]
    if hopeless:
        raise AuditError(
            f"{hopeless[0]}: no number of reads proves {choices.promise!r} if the labels are as"
            " expected; give --minutes, promise less, or --expect other shares"
        )
    return tuple(reads or 0 for reads in sufficient)


def _forecast(
    plan: AuditPlan, strata: list[list[ExpectedStratum]], promises: tuple[Promise, ...]
) -> list[list[Forecast]]:
    return [
        forecast_plan(
            one.finding,
            own,
            [stratum.reads for stratum in one.strata],
            select_promises(promises, one.finding),
            plan.seed,
        )
        for one, own in zip(plan.findings, strata, strict=True)
    ]


def _read_excluded(folders: tuple[Path, ...]) -> tuple[set[str], float | None]:
    """Return the studies of other audits, and the pace that was measured in them."""
    held: set[str] = set()
    seconds: list[float] = []
    for folder in folders:
        opened = open_audit(folder)
        held |= {item.study_id for item in opened.items}
        seconds += [read.seconds for read in opened.reads if read.queue == "blind"]
    return held, median(seconds) if seconds else None


def _queue_repairs(
    choices: PlanChoices, plan: AuditPlan, labels: LabelFile, others: Others, blind: list[Item]
) -> list[Item]:
    if not choices.repair:
        return []
    tables = RepairTables(
        labels.table,
        {name: table for name, (_, table) in others.items()},
        None
        if choices.predictions is None
        else _read_predictions(choices.predictions, labels.table["study_id"]),
    )
    return rank_repairs(plan, tables, choices.repair_by, choices.repair, blind=blind)


def _read_predictions(path: Path, known: pd.Series) -> pd.DataFrame:
    is_parquet = path.suffix.lower() == ".parquet"
    try:
        table = pd.read_parquet(path) if is_parquet else pd.read_csv(path, dtype={"study_id": str})
    except ValueError as error:
        raise AuditError(f"{path}: not a readable table: {error}") from error
    if "study_id" not in table.columns:
        raise AuditError(f"{path}: no column study_id; expected a model's predictions by study")
    table = table.astype({"study_id": str})
    if not table["study_id"].isin(known).any():
        raise AuditError(f"{path}: has no study of the label table")
    return table


def _read_versions(
    plan: AuditPlan, versions: tuple[Path, Path], others: tuple[Path, ...]
) -> LaterLabels:
    planned, later = map(read_labels, versions)
    named = name_others(others)
    given = (planned.about, *(about for about, _ in named.values()))
    expected = (plan.labels, *plan.others)
    if [one.table_hash for one in given] != [one.table_hash for one in expected]:
        names = ", ".join(one.name for one in expected)
        raise AuditError(f"these are not the tables that the audit was planned from ({names})")
    return read_later(
        plan, planned.table, later.table, later.about, [table for _, table in named.values()]
    )
