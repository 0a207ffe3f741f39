"""The certificate of an audit: all that its numbers are made of, without texts, ids or names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
from pydantic import ValidationError

from configs.files import write_text
from configs.settings import Settings, tell_first
from text_labeler.audit.conflicts import SEVERITY, name_call
from text_labeler.audit.estimating import Estimate, FindingEstimate, estimate
from text_labeler.audit.measures import Interval
from text_labeler.audit.planning import AuditPlan, hash_sampling
from text_labeler.audit.records import (
    FINDING_VERDICTS,
    SEVERITY_VERDICTS,
    AuditError,
    Item,
    Purpose,
    Read,
    Verdict,
)
from text_labeler.audit.rescoring import LaterLabels


class CertifiedItem(Settings):
    """An item by its opaque id. call: of the planned labels."""

    item_id: str
    finding: str
    stratum: str
    place: int
    call: int | None
    needed: int


class CertifiedRead(Settings):
    """A read by its place among all reads, the reader by a number.

    Neither time nor event number is told: both could be looked up in the log.
    """

    item_id: str
    order: int
    reader: str
    purpose: Purpose
    verdict: Verdict
    seconds: float
    error_class: str | None


class Certificate(Settings):
    """What `recompute` needs, the estimate it must give, and what holds it to the rest.

    plan: as published, without salt and without the studies of other audits. plan_hash: of the
    plan as it is stored. log_head: hash of the last event of the store's log.
    """

    version: int = 1
    created: str
    plan: AuditPlan
    plan_hash: str
    log_head: str
    later: LaterLabels | None
    items: tuple[CertifiedItem, ...]
    reads: tuple[CertifiedRead, ...]
    estimate: Estimate


class CertificateFiles(NamedTuple):
    """Where a certificate was written."""

    json: Path
    html: Path


def make_certificate(
    plan: AuditPlan,
    items: Sequence[Item],
    reads: Sequence[Read],
    *,
    log_head: str,
    created: str,
    later: LaterLabels | None = None,
) -> Certificate:
    """Put together what the blind queue's standing reads say, under pseudonyms.

    created: an ISO date. Raises AuditError where `estimate` does.
    """
    blind = [item for item in items if item.queue == "blind"]
    known = {item.item_id for item in blind}
    if later is not None:
        kept = {name: call for name, call in later.calls.items() if name in known}
        later = later.model_copy(update={"calls": kept})
    certificate = Certificate(
        created=created,
        plan=plan.model_copy(update={"salt": "", "excluded": (), "held": (), "store": None}),
        plan_hash=hashlib.sha256(plan.to_json().encode()).hexdigest(),
        log_head=log_head,
        later=later,
        items=tuple(
            CertifiedItem(**{name: getattr(item, name) for name in CertifiedItem.model_fields})
            for item in blind
        ),
        reads=_hide_readers([read for read in reads if read.queue == "blind"]),
        estimate=estimate(plan, items, reads, later=later),
    )
    # Once more from the pseudonyms, by which readers are listed.
    return certificate.model_copy(update={"estimate": recompute(certificate)})


def recompute(certificate: Certificate) -> Estimate:
    """Estimate once more from the certificate alone."""
    plan = certificate.plan
    items = [
        Item(study_id=one.item_id, queue="blind", pool=plan.pool, **one.model_dump())
        for one in certificate.items
    ]
    reads = [
        Read(
            event=one.order,
            study_id=one.item_id,
            finding="",
            queue="blind",
            pool=plan.pool,
            at="",
            **one.model_dump(exclude={"order"}),
        )
        for one in certificate.reads
    ]
    if hash_sampling(sorted(items, key=lambda item: item.place)) != plan.sampling_hash:
        raise AuditError("certificate: its items are not the sampling list that was published")
    return estimate(plan, items, reads, later=certificate.later)


def read_certificate(path: Path) -> Certificate:
    """Read a certificate and recompute it; raises AuditError where any number differs."""
    try:
        certificate = Certificate.model_validate_json(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise AuditError(f"{path}: not a certificate of an audit: not UTF-8 text") from error
    except ValidationError as error:
        raise AuditError(f"{path}: not a certificate of an audit: {tell_first(error)}") from error
    if recompute(certificate) != certificate.estimate:
        raise AuditError(f"{path}: its numbers are not those that its reads give")
    return certificate


def write_certificate(certificate: Certificate, folder: Path) -> CertificateFiles:
    """Write `certificate.json` and the page `certificate.html` into a folder."""
    files = CertificateFiles(folder / "certificate.json", folder / "certificate.html")
    write_text(files.json, certificate.model_dump_json(indent=1) + "\n")
    write_text(files.html, make_certificate_page(certificate))
    return files


def make_certificate_page(certificate: Certificate) -> str:
    """Return the certificate as one page that holds no script and loads nothing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("text_labeler.audit", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": tell_share,
        "call": _tell_call,
        "words": _tell_words,
        "verdicts": _list_verdicts,
    }
    return environment.get_template("certificate.html.j2").render(
        certificate=certificate,
        plan=certificate.plan,
        estimate=certificate.estimate,
    )


def tell_share(value: float | None) -> str:
    """Write a share with three digits after the point, or a dash for none."""
    return "–" if value is None else f"{value:.3f}"


def tell_interval(interval: Interval | None) -> str:
    """Write an interval as `.856 (.806–.889)`, in full digits, or why there is none."""
    if interval is None:
        return "not defined"
    return (
        f"{tell_share(interval.value)} ({tell_share(interval.lower)}–{tell_share(interval.upper)})"
    )


def _tell_call(call: int | None, finding: str) -> str:
    verdict = name_call(finding, call)
    return f"grade {verdict}" if finding == SEVERITY and call is not None else _tell_words(verdict)


def _list_verdicts(one: FindingEstimate) -> list[str]:
    order = SEVERITY_VERDICTS if one.finding == SEVERITY else FINDING_VERDICTS
    return [name for name in order if any(name in cell.verdicts for cell in one.cells)]


def _tell_words(name: str) -> str:
    return name.replace("_", " ")


def _hide_readers(reads: Sequence[Read]) -> tuple[CertifiedRead, ...]:
    ordered = sorted(reads, key=lambda read: read.event)
    names: dict[str, str] = {}
    for read in ordered:
        names.setdefault(read.reader, f"reader {len(names) + 1:02d}")
    return tuple(
        CertifiedRead(
            item_id=read.item_id,
            order=order,
            reader=names[read.reader],
            purpose=read.purpose,
            verdict=read.verdict,
            seconds=read.seconds,
            error_class=read.error_class,
        )
        for order, read in enumerate(ordered)
    )
