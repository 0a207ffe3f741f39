"""Keeps a spreadsheet from running what a CSV holds (OWASP's CSV injection)."""

from __future__ import annotations

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could take this text for a formula; blanks before it are passed over.

    Full-width signs are taken for the plain ones by some.
    """
    plain = text.lstrip(" \N{NO-BREAK SPACE}").translate(_FULL_WIDTH)
    return plain.startswith(_STARTS)


def guard_cell(value: object) -> object:
    """Return a cell that is shown and not run: a text that looks like a formula gets a `'`."""
    return f"'{value}" if isinstance(value, str) and is_formula(value) else value


_FULL_WIDTH = str.maketrans("＝＋－＠", "=+-@")
