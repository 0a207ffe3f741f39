"""What differs between a run that has begun and the command that wants to go on with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SHOWN_LETTERS = 12
ACCEPT_OPTION = "--resume-with-other"

CHANGES = (
    *("settings", "corpus", "labels", "images", "split", "tokenizer", "encoder_weights"),
    *("report_to_image", "start", "processes"),
)
"""What may be accepted by name when a run goes on; `processes` is their number."""


class ChangeError(ValueError):
    """A name that is none of CHANGES."""


class Change(NamedTuple):
    """name: one of CHANGES. part: the setting that differs, or the name again."""

    name: str
    part: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.part} {_show(self.before)} → {_show(self.now)}"


def check_names(names: Collection[str]) -> frozenset[str]:
    """Return the names to accept as a set; raises ChangeError for one that means nothing."""
    for name in names:
        if name not in CHANGES:
            raise ChangeError(f"{name!r} is nothing to resume with; it is one of {CHANGES}")
    return frozenset(names)


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Compare two identities, name → hash; `settings` hold values by name and are compared so."""
    changes = []
    for name in sorted(now):
        theirs, ours = before.get(name), now[name]
        if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            changes += [
                Change(name, part, theirs.get(part), ours.get(part))
                for part in sorted(theirs.keys() | ours.keys())
                if theirs.get(part) != ours.get(part)
            ]
        elif theirs != ours:
            changes.append(Change(name, name, theirs, ours))
    return changes


def explain_refusal(
    where: Path, changes: Collection[Change], accept: Collection[str]
) -> str | None:
    """Say what differs that nobody accepted by name, and what to do; None where nothing does."""
    refused = [change for change in changes if change.name not in accept]
    if not refused:
        return None
    names = sorted({change.name for change in refused})
    by_name = " ".join(f"{ACCEPT_OPTION} {name}" for name in names)
    return (
        f"{where}: made from other {', '.join(names)} than this run has"
        f" ({', '.join(map(str, refused))}); go on with those, or give the run another name,"
        f" or remove its folder, or go on with the change by name: {by_name}"
    )


def describe_accepted(rows: Iterable[Mapping[str, Any]]) -> str:
    """Say in one line what was accepted, from rows of step, name, part, before and now."""
    return "; ".join(
        f"after step {row['step']}: {Change(row['name'], row['part'], row['before'], row['now'])}"
        for row in rows
    )


def _show(value: Any) -> str:
    return str(value)[:SHOWN_LETTERS] if isinstance(value, str) else repr(value)
