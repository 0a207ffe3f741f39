"""How far an audit is and what it says so far: for who may look, and on no reading screen."""

from __future__ import annotations

from collections import Counter
from statistics import median

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from text_labeler.audit.estimating import estimate
from text_labeler.audit.intervals import PROVABLE_RATES, count_clean_reads
from text_labeler.audit.planning import read_plan
from text_labeler.audit.web.room import ByReader, InRoom, Room, check_right
from text_labeler.audit.web.screens import count_disputes, name_finding

router = APIRouter()


@router.get("/progress")
def show_progress_page(room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show reads done of each finding and by each reader; nothing of what they say."""
    check_right(reader, "view")
    reads = room.store.reads()
    return room.render(
        "progress.html.j2",
        token=room.sessions.token(reader.cookie),
        reader=reader,
        promise=room.promise,
        findings=_count_findings(room),
        readers=sorted(Counter(read.reader for read in reads).items()),
        disputes=count_disputes(room.store),
    )


@router.get("/progress/estimate")
def show_estimate(room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show the estimate as it stands, with the interval that holds however often one looks."""
    check_right(reader, "view")
    plan = read_plan(room.store.plan())
    found = estimate(plan, room.store.items(), room.store.reads())
    return room.render("estimate.html.j2", estimate=found, name_finding=name_finding)


@router.get("/progress/plan")
def show_plan(room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show what was planned: strata, reads, minutes, and how many clean reads prove what."""
    check_right(reader, "view")
    plan = read_plan(room.store.plan())
    seconds = [read.seconds for read in room.store.reads() if read.queue == "blind"]
    population = sum(one.population for one in plan.findings[0].strata)
    return room.render(
        "plan.html.j2",
        plan=plan,
        pace=median(seconds) if seconds else None,
        double=sum(one.double_reads for one in plan.findings),
        population=population,
        clean=[(rate, count_clean_reads(rate, population)) for rate in PROVABLE_RATES],
        name_finding=name_finding,
    )


def _count_findings(room: Room) -> list[dict[str, object]]:
    """Return planned and done reads of each finding and queue."""
    done = Counter(read.item_id for read in room.store.reads())
    rows: dict[tuple[str, str], list[int]] = {}
    for item in room.store.items():
        row = rows.setdefault((item.finding, item.queue), [0, 0])
        row[0] += item.needed
        row[1] += min(item.needed, done[item.item_id])
    return [
        {"finding": name_finding(finding), "queue": queue, "planned": planned, "done": number}
        for (finding, queue), (planned, number) in sorted(rows.items())
    ]
