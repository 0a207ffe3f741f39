"""What an audit is to prove, as people write it: "precision ≥ .9, recall >= .8"."""

from __future__ import annotations

import re
from typing import Literal

from configs.settings import Settings
from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.records import AuditError

Measure = Literal["precision", "recall", "error_rate", "accuracy", "over_call"]

AT_LEAST: tuple[Measure, ...] = ("precision", "recall", "accuracy")
AT_MOST: tuple[Measure, ...] = ("error_rate", "over_call")
FINDING_MEASURES: tuple[Measure, ...] = ("precision", "recall", "accuracy", "error_rate")
SEVERITY_MEASURES: tuple[Measure, ...] = ("accuracy", "error_rate", "over_call")

_PART = re.compile(r"([a-z][a-z _-]*?)\s*(>=|≥|=>|<=|≤|=<)\s*(\d*\.?\d+)\s*(%?)")


class Promise(Settings):
    """One bound to be proved: precision, recall and accuracy at least, rates at most."""

    measure: Measure
    bound: float

    @property
    def is_lower(self) -> bool:
        """Whether the measure is promised to be at least `bound`."""
        return self.measure in AT_LEAST

    def __str__(self) -> str:
        """Write it as it is parsed."""
        return f"{self.measure} {'≥' if self.is_lower else '≤'} {self.bound:g}"


def parse_promises(text: str) -> tuple[Promise, ...]:
    """Read promises apart by commas; raises AuditError saying what was expected."""
    promises = tuple(_parse(part.strip()) for part in re.split(r"[,;]", text) if part.strip())
    if not promises:
        raise AuditError(f"{text!r}: no promise; expected as in 'precision >= .9, recall >= .8'")
    measures = [promise.measure for promise in promises]
    for measure in measures:
        if measures.count(measure) > 1:
            raise AuditError(f"{text!r}: {measure} is promised twice")
    return promises


def _parse(part: str) -> Promise:
    found = _PART.fullmatch(part.lower())
    known = ", ".join((*AT_LEAST, *AT_MOST))
    if found is None:
        raise AuditError(f"{part!r}: expected MEASURE >= NUMBER or MEASURE <= NUMBER, of {known}")
    name = found[1].strip().replace(" ", "_").replace("-", "_")
    measure = next((one for one in (*AT_LEAST, *AT_MOST) if one == name), None)
    if measure is None:
        raise AuditError(f"{part!r}: no such measure as {name!r}; known: {known}")
    bound = float(found[3]) / (100 if found[4] else 1)
    promise = Promise(measure=measure, bound=bound)
    if not 0 < bound < 1:
        raise AuditError(f"{part!r}: expected a bound between 0 and 1, exclusive (or 1 % to 99 %)")
    if promise.is_lower != (found[2] in (">=", "≥", "=>")):
        raise AuditError(f"{part!r}: expected {promise}")
    return promise


def select_promises(promises: tuple[Promise, ...], finding: str) -> tuple[Promise, ...]:
    """Return those promises that a finding (or `edema_severity`) has a measure for."""
    measures = SEVERITY_MEASURES if finding == SEVERITY else FINDING_MEASURES
    return tuple(promise for promise in promises if promise.measure in measures)
