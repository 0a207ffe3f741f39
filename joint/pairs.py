"""Which report goes with which image, and the control that breaks exactly this and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joint.task import Rows
from joint.tokens import TokenTable

NO_REPORT = -1
READING_STREAM = 0x5EC
"""Keeps which section is read apart from other draws of the same seed."""


@dataclass(frozen=True)
class PairData:
    """Reports beside the images of a GradingData.

    tokens: texts, those of the t whole reports first. report_of: int64 [images], the report of
    each image or NO_REPORT. groups: int64, one per text, equal for texts of the same words.
    severity_targets: float32 [t, 4] with has_severity [t]: what each report itself says.
    readings: int64 [t, r], the ways to read a report as rows of `tokens`, the whole report
    first; None: row i is report i.
    """

    tokens: TokenTable
    report_of: Rows
    groups: NDArray[np.int64]
    severity_targets: NDArray[np.float32]
    has_severity: NDArray[np.bool_]
    readings: NDArray[np.int64] | None = None

    def read(self, reports: Rows, draws: NDArray[np.int64]) -> tuple[Rows, NDArray[np.bool_]]:
        """Give the token row of each report (NO_REPORT stays), and whether it is read whole.

        draws: non-negative numbers; each picks one of its report's readings.
        """
        if self.readings is None:
            return reports, np.ones(len(reports), bool)
        picked = draws % self.readings.shape[1]
        rows = np.where(reports == NO_REPORT, NO_REPORT, self.readings[reports, picked])
        return rows, (rows == self.readings[reports, 0]) | (reports == NO_REPORT)

    def draw(self, reports: Rows, *, seed: int, step: int) -> NDArray[np.int64]:
        """Draw a number for `read` for each row, the same where reports are of the same words.

        Images of one report then read the same part of it at a step, and are no false negatives.
        """
        if self.readings is None:
            return np.zeros(len(reports), np.int64)
        drawn = [
            np.random.SeedSequence((seed, step, int(group), READING_STREAM)).generate_state(1)[0]
            for group in self.groups[reports]
        ]
        return np.array(drawn, np.int64)

    def lengths(self) -> NDArray[np.int64]:
        """Count the tokens of each image's whole report; 0 without one."""
        rows, _ = self.read(self.report_of, np.zeros(len(self.report_of), np.int64))
        return np.where(rows == NO_REPORT, 0, np.diff(self.tokens.starts)[rows])


def shuffle_reports(pairs: PairData, rows: Rows, *, seed: int) -> PairData:
    """Give the images in `rows` (the training ones) the report of another study.

    The control for "does the report's content help, or only its presence": contrastive loss and
    distillation see wrong pairs, while the image keeps its own labels, and the text head keeps
    learning each report's own label, so it teaches as surely as before, but about another
    patient. Images of one study get the same foreign report. Reports that state a severity
    change places among themselves, and so do the others: each batch then holds as many labelled
    reports as without the shuffle, and no label is counted twice.
    """
    generator = np.random.default_rng(seed)
    used = np.unique(pairs.report_of[rows])
    used = used[used != NO_REPORT]
    foreign = np.arange(len(pairs.has_severity))
    for members in (used[pairs.has_severity[used]], used[~pairs.has_severity[used]]):
        # One round through a random order: nobody keeps the own report (if there are two).
        order = generator.permutation(members)
        foreign[order] = np.roll(order, 1)
    report_of = pairs.report_of.copy()
    own = report_of[rows]
    report_of[rows] = np.where(own == NO_REPORT, NO_REPORT, foreign[own])
    return replace(pairs, report_of=report_of)
