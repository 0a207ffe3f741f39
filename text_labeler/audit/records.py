"""What passes between planning, store, reading screen and estimate: items, reads, events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Queue = Literal["blind", "repair"]
"""blind: the random sample that feeds the intervals. repair: chosen by suspicion, never counted."""

Pool = Literal["tune", "hold_out"]
"""What a read may be used for: to mend rules by, or to measure them. Fixed when planned."""

Purpose = Literal["first", "second", "conflict", "decoy", "adjudication"]
"""Why a read is asked for. A reader never learns it, but for an adjudicator."""

Verdict = Literal["present", "absent", "uncertain", "not_mentioned", "0", "1", "2", "3", "unclear"]
"""What the report says of a finding; of edema severity the grade, or not_mentioned.

unclear: the reader can't tell (unreadable, wrong report); counted and listed, never guessed.
"""

FINDING_VERDICTS: tuple[Verdict, ...] = (
    "present",
    "absent",
    "uncertain",
    "not_mentioned",
    "unclear",
)
SEVERITY_VERDICTS: tuple[Verdict, ...] = ("0", "1", "2", "3", "not_mentioned", "unclear")

ERROR_CLASSES = ("ambiguous_text", "guideline_gap", "reader_error", "labeler_error", "edge_case")
"""What an adjudicator must choose from (after Potato's taxonomy)."""


class AuditError(ValueError):
    """An audit that cannot be planned, read or estimated; the message says what was expected."""


@dataclass(frozen=True)
class Item:
    """One unit of an audit: one report and one finding (or `edema_severity`).

    item_id: opaque; all that a page or an address shows. place: its place in the published list.
    stratum: what the labeler said and how; hidden from readers of the blind queue. call: the
    labeler's code, hidden likewise. score and reason: why it stands in the repair queue.
    needed: how many readers it is planned for; conflict rules may ask for more.
    """

    item_id: str
    study_id: str
    finding: str
    queue: Queue
    pool: Pool
    stratum: str
    place: int
    call: int | None = None
    needed: int = 1
    score: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Document:
    """What a reader is shown of one study: the report as it is, and its images by path.

    evidence: the label table's records for this study, for after the read.
    """

    study_id: str
    report: str
    images: tuple[tuple[str, str], ...] = ()
    """(absolute path, view) of each image, frontal first."""
    evidence: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class Read:
    """One verdict that stands: not undone, not superseded.

    seconds: from the item's first display to the key. at: UTC, ISO 8601. flags: of the reader.
    """

    event: int
    item_id: str
    study_id: str
    finding: str
    queue: Queue
    pool: Pool
    reader: str
    purpose: Purpose
    verdict: Verdict
    seconds: float
    at: str
    note: str = ""
    flags: tuple[str, ...] = field(default=())
    error_class: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a reader says of an item. seconds: from its first display to the key, at least 0.

    error_class: one of ERROR_CLASSES; an adjudicator must choose one, nobody else gives one.
    """

    verdict: Verdict
    seconds: float = 0.0
    note: str = ""
    flags: tuple[str, ...] = ()
    error_class: str | None = None


@dataclass(frozen=True)
class Assignment:
    """An item held for a reader until `expires` (seconds since 1970). purpose: not for his eyes."""

    item: Item
    reader: str
    purpose: Purpose
    expires: float


@dataclass(frozen=True)
class Progress:
    """How far a queue is, in reads as planned, and one reader's part of it.

    Re-reads are left out of `planned`: a number that grew with a read would tell its reader that it
    went against the labeler. `done` are reads of every purpose, at most `planned`: one that stood
    still would tell the second reader of a re-read. mine: the reader's standing reads likewise.
    seconds: his median time per read, None before the first.
    """

    planned: int
    done: int
    mine: int
    seconds: float | None


@dataclass(frozen=True)
class PastRead:
    """A read of a reader's own history; `stands` is False once it was undone."""

    event: int
    item_id: str
    finding: str
    queue: Queue
    verdict: Verdict
    note: str
    at: str
    stands: bool
