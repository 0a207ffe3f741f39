"""Keeps a spreadsheet from running what a CSV holds (OWASP's CSV injection)."""

from __future__ import annotations

import re

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_WITHIN = re.compile('(?!^)([;|\t\r\n][\\s"\N{NO-BREAK SPACE}]*)([=+@＝＋－＠-])')


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could take this text for a formula; blanks before it are passed over.

    Full-width signs are taken for the plain ones by some.
    """
    plain = text.lstrip(" \N{NO-BREAK SPACE}").translate(_FULL_WIDTH)
    return plain.startswith(_STARTS)


def guard_cell(value: object) -> object:
    """Return a cell that is shown and not run: a text that looks like a formula gets a `'`.

    So does what follows a `;`, `|`, tab or line's end within: where a spreadsheet parts cells at
    those, a cell begins there.
    """
    if not isinstance(value, str):
        return value
    guarded = _WITHIN.sub(r"\1'\2", value)
    return f"'{guarded}" if is_formula(guarded) else guarded


_FULL_WIDTH = str.maketrans("＝＋－＠", "=+-@")
