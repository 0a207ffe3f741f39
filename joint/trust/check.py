"""One check of the trust report: its verdict and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["passed", "warning", "error", "not checked"]


@dataclass(frozen=True)
class TrustCheck:
    """One check: what was found, in words and numbers without ids, and why it matters."""

    name: str
    verdict: Verdict
    found: str
    why: str


def no_check(name: str, found: str, why: str) -> TrustCheck:
    """Say why a check could not be made."""
    return TrustCheck(name, "not checked", found, why)
