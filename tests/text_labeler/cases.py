"""The written cases of `finding_cases.yaml` and `severity_cases.yaml`, read for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CODES = {"positive": 1, "negative": 0, "uncertain": -1, "not mentioned": None}


def _read(name: str) -> Any:
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


FINDING_CASES: list[tuple[str, str, str, int | None]] = [
    (kind, text, finding, CODES[label])
    for kind, cases in _read("finding_cases.yaml").items()
    for text, finding, label in cases
]
"""kind of difficulty, text, finding, its code under the profile chexpert"""

SEVERITY_CASES: list[tuple[str, int | None]] = [
    (text, severity) for text, severity in _read("severity_cases.yaml")
]
"""text, severity or None"""

TEXTS = [text for _, text, _, _ in FINDING_CASES] + [text for text, _ in SEVERITY_CASES]
