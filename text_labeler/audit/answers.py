"""What an answer may be: which verdicts a finding has, and what an adjudicator must add."""

from __future__ import annotations

import math

from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.records import (
    ERROR_CLASSES,
    FINDING_VERDICTS,
    SEVERITY_VERDICTS,
    Answer,
    AuditError,
    Item,
    Purpose,
    Verdict,
)

LONGEST_NOTE = 10_000
MOST_FLAGS = 20
LONGEST_FLAG = 100


def list_verdicts(finding: str) -> tuple[Verdict, ...]:
    """Return the verdicts that a reader chooses from, in their usual order."""
    return SEVERITY_VERDICTS if finding == SEVERITY else FINDING_VERDICTS


def check_answer(item: Item, purpose: Purpose, answer: Answer) -> None:
    """Raise AuditError for an answer that an item cannot have; the note's words are not shown."""
    allowed = list_verdicts(item.finding)
    if answer.verdict not in allowed:
        raise AuditError(f"{item.finding}: no such verdict; expected one of {', '.join(allowed)}")
    if not (math.isfinite(answer.seconds) and answer.seconds >= 0):
        raise AuditError("seconds: expected a number of at least 0")
    if len(answer.note) > LONGEST_NOTE:
        raise AuditError(f"note: {len(answer.note)} characters; at most {LONGEST_NOTE} are kept")
    if len(answer.flags) > MOST_FLAGS or any(len(flag) > LONGEST_FLAG for flag in answer.flags):
        raise AuditError(f"flags: expected at most {MOST_FLAGS}, of {LONGEST_FLAG} characters each")
    _check_error_class(purpose == "adjudication", answer.error_class)


def _check_error_class(is_adjudicated: bool, error_class: str | None) -> None:
    if is_adjudicated and error_class not in ERROR_CLASSES:
        raise AuditError(f"error class: an adjudicator chooses one of {', '.join(ERROR_CLASSES)}")
    if error_class is not None and not is_adjudicated:
        raise AuditError("error class: only an adjudicator gives one")
