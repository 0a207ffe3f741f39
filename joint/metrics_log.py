"""The record of a run: `metrics.jsonl`, one row of numbers per line, whatever trackers do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from configs.files import write_text


class MetricsLogError(ValueError):
    """A record that cannot be written, as on a full disk."""


class MetricsLog:
    """Rows `{kind, step, name: number}`; a number that is not finite or defined is null."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, kind: str, step: int, values: Mapping[str, float | None]) -> dict[str, Any]:
        """Write one row at once and return it as written.

        Raises MetricsLogError where it cannot be written whole; `keep_until` drops the rest.
        """
        row = {"kind": kind, "step": step} | {
            name: _finite(value) for name, value in values.items()
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, allow_nan=False) + "\n")
        except OSError as error:
            raise MetricsLogError(
                f"{self.path}: step {step} cannot be written: {error.strerror}; make room and"
                " start the same command again"
            ) from error
        return row

    def rows(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of one kind (or all); a last line that a crash cut off is left out."""
        if not self.path.is_file():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
            if not line.endswith("\n"):
                return
            row = json.loads(line)
            if kind in (None, row["kind"]):
                yield row

    def keep_until(self, step: int) -> None:
        """Drop what was written after `step`: a resumed run takes those steps again."""
        if self.path.is_file():
            kept = [row for row in self.rows() if row["step"] <= step and row["kind"] != "evaluate"]
            write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))


def find_best(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Give the row of the best validation score, the first of equal ones, as the loop picks it."""
    scored = [row for row in rows if row["kind"] == "validate" and row.get("score") is not None]
    return max(scored, key=lambda row: float(row["score"]), default=None)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
