"""The reading screen: one decision at a time, of the blind queue, the repair queue, or disputes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from text_labeler.audit.records import Answer, Assignment, Queue, Read, Verdict
from text_labeler.audit.revealing import must_stay_blind, reveal
from text_labeler.audit.web.room import (
    ByReader,
    InRoom,
    NotAllowedError,
    Reader,
    Room,
    check_right,
    make_idem,
)
from text_labeler.audit.web.screens import (
    ERROR_CLASS_WORDS,
    HISTORY,
    WORDS,
    agrees,
    count_disputes,
    name_finding,
    show_item,
    show_labels,
    show_progress,
)

router = APIRouter()

Desk = Literal["blind", "repair", "disputes"]
"""Where one reads: the two queues, and the items of the blind one on which readers differ."""

FLAG = "look again"


@router.get("/")
def find_desk(reader: ByReader) -> Response:
    """Lead to the blind queue, or who does not read to the progress."""
    return RedirectResponse("/read/blind" if "read" in reader.rights else "/progress", 303)


@router.get("/read/{desk}")
def show_next(desk: Desk, request: Request, room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show the item that the reader holds at this desk, or the next."""
    _check_desk(reader, desk)
    assignment = _claim(room, reader, desk)
    values = _fill(room, reader, desk, assignment)
    if "hx-request" in request.headers:
        return room.render("screen.html.j2", **values)
    return room.render("reading.html.j2", **values, **_fill_page(room, reader))


@router.get("/read/{desk}/next")
def hold_next(desk: Desk, room: InRoom, reader: ByReader) -> JSONResponse:
    """Hold the item after this one, and say where its pictures are, for a browser to fetch."""
    _check_desk(reader, desk)
    now = _claim(room, reader, desk)
    after = _claim(room, reader, desk, skip=(now.item.item_id,)) if now else None
    if after is None:
        return JSONResponse([])
    item = after.item
    room.note_shown(reader.name, item.item_id)
    images = room.store.document(item.study_id).images if room.pictures else ()
    return JSONResponse([f"/items/{item.item_id}/pictures/{n}" for n in range(len(images))])


class ReadForm(BaseModel):
    """What the page sends with a verdict. idem: names the press of the key."""

    verdict: str = Field(max_length=20)
    idem: str = Field(min_length=8, max_length=64)
    seconds: float = Field(0.0, ge=0, le=86_400, allow_inf_nan=False)
    note: str = Field("", max_length=10_000)
    flag: bool = False
    error_class: str = Field("", max_length=40)

    def to_answer(self) -> Answer:
        """Return it as the store takes it, which refuses a verdict that is none."""
        return Answer(
            cast(Verdict, self.verdict),
            seconds=self.seconds,
            note=self.note.strip(),
            flags=(FLAG,) if self.flag else (),
            error_class=self.error_class or None,
        )


@router.post("/items/{item_id}/read")
def record_read(
    item_id: str, room: InRoom, reader: ByReader, form: Annotated[ReadForm, Form()]
) -> HTMLResponse:
    """Record a verdict, on the disk before the answer, and show the next item."""
    check_right(reader, "read")
    answer = form.to_answer()
    if answer.error_class and not answer.note:
        raise NotAllowedError("an adjudicator gives a reason: press n and write a note")
    item = room.store.item(item_id)
    event = room.store.record(reader.name, item_id, answer, idem=form.idem)
    desk: Desk = "disputes" if event.body["purpose"] == "adjudication" else item.queue
    is_open = item.queue == "repair" and not must_stay_blind(room.store, reader.name, item.study_id)
    last = {
        "item_id": item_id,
        "finding": name_finding(item.finding),
        "verdict": WORDS[answer.verdict],
        "agrees": agrees(item, answer.verdict) if is_open else None,
    }
    values = _fill(room, reader, desk, _claim(room, reader, desk), last)
    return room.render("screen.html.j2", **values)


@router.post("/undo")
def undo_read(
    room: InRoom, reader: ByReader, idem: Annotated[str, Form(max_length=64)]
) -> HTMLResponse:
    """Take back the last read, of whatever item, and show that item again."""
    _check_desk(reader, "blind")
    event = room.store.undo(reader.name, idem=idem)
    item = room.store.item(event.item_id or "")
    desk: Desk = item.queue
    assignment = _claim(room, reader, desk)
    if item.queue == "blind" and (assignment is None or assignment.item.item_id != item.item_id):
        desk = "disputes"
        assignment = _claim(room, reader, desk)
    values = _fill(room, reader, desk, assignment)
    past = room.store.history(reader.name, HISTORY)
    values["undone"] = next((read for read in past if read.event == event.supersedes), None)
    return room.render("screen.html.j2", **values, words=WORDS)


@router.post("/items/{item_id}/reveal")
def reveal_labels(item_id: str, room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show the labeler's side of an item that this reader has read; the read is final then."""
    item = room.store.item(item_id)
    own = reveal(room.store, reader.name, item_id)
    document = room.store.document(item.study_id)
    return room.render(
        "revealed.html.j2",
        finding=name_finding(item.finding),
        verdict=WORDS[own.verdict],
        agrees=agrees(item, own.verdict),
        is_final=own.queue == "blind",
        **show_labels(item, document),
    )


@router.get("/history")
def show_history(room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show this reader's own last reads; never those of another."""
    reads = room.store.history(reader.name, HISTORY)
    return room.render("history.html.j2", reads=reads, words=WORDS, name_finding=name_finding)


@router.get("/guidelines")
def show_guidelines(room: InRoom, reader: ByReader) -> HTMLResponse:
    """Show what each verdict means."""
    return room.render("guidelines.html.j2")


def _check_desk(reader: Reader, desk: Desk) -> None:
    check_right(reader, "adjudicate" if desk == "disputes" else "read")


def _claim(room: Room, reader: Reader, desk: Desk, skip: tuple[str, ...] = ()) -> Assignment | None:
    queue: Queue = "repair" if desk == "repair" else "blind"
    is_dispute = desk == "disputes"
    return room.store.claim(reader.name, queue=queue, adjudicate=is_dispute, skip=skip)


def _fill(
    room: Room,
    reader: Reader,
    desk: Desk,
    assignment: Assignment | None,
    last: dict[str, Any] | None = None,
) -> dict[str, Any]:
    queue: Queue = "repair" if desk == "repair" else "blind"
    values: dict[str, Any] = {
        "desk": desk,
        "idem": make_idem(),
        "undo_idem": make_idem(),
        "last": last,
        "undone": None,
        "progress": show_progress(room.store, reader.name, queue),
        "promise": room.promise if queue == "blind" else "",
        "waiting": count_disputes(room.store) if desk == "disputes" else None,
        "item": None,
        "others": [],
        "error_classes": ERROR_CLASS_WORDS,
        "has_pictures": False,
    }
    if assignment is None:
        return values
    document = room.store.document(assignment.item.study_id)
    room.note_shown(reader.name, assignment.item.item_id)
    has_labels = _may_see_labels(room, reader, assignment)
    values["item"] = show_item(assignment, document, has_labels=has_labels)
    values["has_pictures"] = room.pictures is not None and bool(document.images)
    if assignment.purpose == "adjudication":
        values["others"] = _tell_others(room.store.reads_of(assignment.item.item_id))
    return values


def _may_see_labels(room: Room, reader: Reader, assignment: Assignment) -> bool:
    if assignment.purpose == "adjudication":
        return True
    is_repair = assignment.item.queue == "repair"
    return is_repair and not must_stay_blind(room.store, reader.name, assignment.item.study_id)


def _tell_others(reads: list[Read]) -> list[dict[str, str]]:
    """Return what the readers of a dispute said, without their names."""
    return [
        {"name": f"Reader {letter}", "verdict": WORDS[read.verdict], "note": read.note}
        for letter, read in zip("ABCDEF", reads, strict=False)
    ]


def _fill_page(room: Room, reader: Reader) -> dict[str, Any]:
    return {"token": room.sessions.token(reader.cookie), "reader": reader}
