"""The reads of an audit as files: who read what and when, by pseudonym, undone reads with them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.files import canonical_json, write_text
from text_labeler.audit.events import STORE, Event
from text_labeler.audit.formulas import guard_cell
from text_labeler.audit.records import Item, Read

PERSONAL = ("account",)
"""Kinds of events whose body names people: exported without it."""


def name_readers(events: Sequence[Event], reads: Iterable[Read]) -> dict[str, str]:
    """Return readers' pseudonyms; those of the standing blind reads are the certificate's."""
    blind = [read.reader for read in reads if read.queue == "blind"]
    others = [event.reader for event in events if event.reader != STORE]
    names = dict.fromkeys((*blind, *others))
    return {name: f"reader {number:02d}" for number, name in enumerate(names, start=1)}


def list_reads(
    events: Sequence[Event], items: Mapping[str, Item], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return a row for each read that was ever made; `undone_by` is the event that took it back."""
    undone = {event.supersedes: event.seq for event in events if event.kind == "undo"}
    rows = []
    for event in events:
        if event.kind != "read":
            continue
        item, body = items[event.item_id or ""], event.body
        rows.append(
            {
                "event": event.seq,
                "at": event.at,
                "reader": names[event.reader],
                "item_id": item.item_id,
                "study_id": item.study_id,
                "finding": item.finding,
                "queue": item.queue,
                "pool": item.pool,
                "stratum": item.stratum,
                "call": item.call,
                "purpose": body["purpose"],
                "verdict": body["verdict"],
                "error_class": body["error_class"],
                "seconds": body["seconds"],
                "flags": body["flags"],
                "note": body["note"],
                "stands": event.seq not in undone,
                "undone_by": undone.get(event.seq),
            }
        )
    return rows


def write_reads(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write `reads.jsonl`, and `reads.csv` in which no cell runs as a formula."""
    lines, table = folder / "reads.jsonl", folder / "reads.csv"
    _write_lines(lines, rows)
    text = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        for row in rows:
            cells = {**row, "flags": "; ".join(row["flags"])}
            writer.writerow({name: guard_cell(value) for name, value in cells.items()})
    write_text(table, text.getvalue())
    return [lines, table]


def write_events(path: Path, events: Sequence[Event], names: Mapping[str, str]) -> None:
    """Write the log with its hashes under pseudonyms: the chain's links hold, as in the store.

    What each hash is of has the true names, so that `kerley audit verify` alone can check it.
    """
    rows = [
        {
            **vars(event),
            "reader": names.get(event.reader, STORE),
            "idem": event.idem.rpartition("/")[2],
            "body": {} if event.kind in PERSONAL else event.body,
        }
        for event in events
    ]
    _write_lines(path, rows)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file that `write_reads` or `write_events` wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_text(path, "".join(canonical_json(dict(row)) + "\n" for row in rows))
