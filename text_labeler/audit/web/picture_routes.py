"""X-rays by the opaque id of the item that they belong to, only for who was shown that item."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from fastapi.responses import JSONResponse, Response

from text_labeler.audit.records import AuditError
from text_labeler.audit.web.pictures import Picture, describe_picture, shrink
from text_labeler.audit.web.room import ByReader, InRoom, Reader, Room

router = APIRouter()

LONGEST_SIDE = 16_000

Place = Annotated[int, PathParameter(ge=0, le=99)]


class NoPictureError(AuditError):
    """A picture that is not there for who asks: what there is else is not told."""


@router.get("/items/{item_id}/pictures/{place}")
def describe(item_id: str, place: Place, room: InRoom, reader: ByReader) -> JSONResponse:
    """Tell the viewer size, window and depth of a picture."""
    return JSONResponse(describe_picture(_find(room, reader, item_id, place)))


@router.get("/items/{item_id}/pictures/{place}/pixels")
def send_pixels(
    item_id: str,
    place: Place,
    room: InRoom,
    reader: ByReader,
    side: Annotated[int, Query(ge=64, le=LONGEST_SIDE)] = LONGEST_SIDE,
) -> Response:
    """Send pixels, 16 bits each, little end first, row by row; no side longer than `side`."""
    pixels = shrink(_find(room, reader, item_id, place).pixels, side)
    rows, columns = pixels.shape
    return Response(
        np.ascontiguousarray(pixels, dtype="<u2").tobytes(),
        media_type="application/octet-stream",
        headers={"x-rows": str(rows), "x-columns": str(columns)},
    )


def _find(room: Room, reader: Reader, item_id: str, place: int) -> Picture:
    if room.pictures is None or item_id not in room.shown.get(reader.name, ()):
        raise NoPictureError("no such picture")
    images = room.store.document(room.store.item(item_id).study_id).images
    if place >= len(images):
        raise NoPictureError("no such picture")
    return room.pictures.find(Path(images[place][0]))
