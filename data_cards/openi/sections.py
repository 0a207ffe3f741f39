"""Joins the sections of an Open-i report to the one text that evidence refers to."""

from __future__ import annotations

from collections.abc import Iterable


def compose_report(sections: Iterable[tuple[str, str]]) -> str | None:
    r"""Join sections (name, text) to the one text that character offsets refer to.

    Each section with text becomes `NAME: text`, in the order of the file, joined by one line feed
    (`"INDICATION: Cough.\nFINDINGS: The lungs are clear."`); the text keeps its inner characters
    and loses white space at both ends. A report whose sections are all empty gives None.
    """
    stripped = [(name.strip().upper(), text.strip()) for name, text in sections]
    lines = [f"{name}: {text}" if name else text for name, text in stripped if text]
    return "\n".join(lines) or None
