"""What a reading screen is given to show: of a blind item nothing that the labeler said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from text_labeler.audit.answers import list_verdicts
from text_labeler.audit.conflicts import (
    SEVERITY,
    group_reads,
    is_same,
    name_call,
    needs_adjudication,
)
from text_labeler.audit.records import Assignment, Document, Item, Queue, Verdict
from text_labeler.audit.store import AuditStore
from text_labeler.audit.web.report_markup import list_pieces, mark_report

WORDS: dict[Verdict, str] = {
    "present": "present",
    "absent": "absent",
    "uncertain": "uncertain",
    "not_mentioned": "not mentioned",
    "0": "0 · none",
    "1": "1 · vascular congestion",
    "2": "2 · interstitial edema",
    "3": "3 · alveolar edema",
    "unclear": "can’t tell",
}

ERROR_CLASS_WORDS = {
    "ambiguous_text": "the text is ambiguous",
    "guideline_gap": "the guidelines don’t say",
    "reader_error": "a reader erred",
    "labeler_error": "the labeler erred",
    "edge_case": "an edge case",
}

HISTORY = 50
"""Own reads that a reader looks back on."""


@dataclass(frozen=True)
class Choice:
    """One verdict as a button. key: that presses it. label: its words beside the key."""

    verdict: Verdict
    words: str
    key: str

    @property
    def label(self) -> str:
        """The words without the grade, which the key says already."""
        return self.words.removeprefix(f"{self.key} · ")


def list_choices(finding: str) -> list[Choice]:
    """Return the verdicts of a finding with their keys: 1 to 5; of severity its grade's digit."""
    verdicts = list_verdicts(finding)
    first = 0 if finding == SEVERITY else 1
    return [
        Choice(verdict, WORDS[verdict], str(first + place))
        for place, verdict in enumerate(verdicts)
    ]


def name_finding(finding: str) -> str:
    """Return a finding as people write it."""
    return "Edema severity" if finding == SEVERITY else finding


def show_item(assignment: Assignment, document: Document, *, has_labels: bool) -> dict[str, Any]:
    """Return what a page shows of an item. has_labels: with the labeler's side."""
    item = assignment.item
    shown: dict[str, Any] = {
        "item_id": item.item_id,
        "finding": name_finding(item.finding),
        "queue": item.queue,
        "report": mark_report(document.report),
        "is_blank": not document.report.strip(),
        "views": [view for _, view in document.images],
        "choices": list_choices(item.finding),
        "labels": None,
        "note": "",
    }
    if has_labels:
        shown |= show_labels(item, document)
    return shown


def show_labels(item: Item, document: Document) -> dict[str, Any]:
    """Return the labeler's side of an item: for repair, for adjudicators, and after a read."""
    pieces = list_pieces(document.evidence, item.finding)
    return {
        "report": mark_report(document.report, pieces),
        "is_blank": not document.report.strip(),
        "labels": {
            "call": WORDS[name_call(item.finding, item.call)],
            "verdict": name_call(item.finding, item.call),
            "reason": item.reason,
            "rules": sorted({piece.rule for piece in pieces}),
        },
    }


def agrees(item: Item, verdict: Verdict) -> bool:
    """Whether a verdict says what the labeler said."""
    return is_same(item.finding, verdict, name_call(item.finding, item.call))


def count_disputes(store: AuditStore) -> int:
    """Count the items that wait for an adjudicator."""
    items = {item.item_id: item for item in store.items()}
    groups = group_reads(store.reads())
    return sum(needs_adjudication(items[name], reads) for name, reads in groups.items())


def show_progress(store: AuditStore, reader: str, queue: Queue) -> dict[str, Any]:
    """Return how far a queue is, and the minutes that are left at this reader's pace."""
    progress = store.progress(reader, queue=queue)
    left = max(0, progress.planned - progress.done)
    minutes = None if progress.seconds is None else round(left * progress.seconds / 60)
    return {
        "done": progress.done,
        "planned": progress.planned,
        "mine": progress.mine,
        "minutes": minutes,
    }
