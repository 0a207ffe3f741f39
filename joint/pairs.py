"""Which report goes with which image, and the control that breaks exactly this and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from joint.task import Rows
from joint.tokens import TokenTable

NO_REPORT = -1


@dataclass(frozen=True)
class PairData:
    """Reports beside the images of a GradingData.

    tokens: t reports. report_of: int64 [images], the report of each image or NO_REPORT.
    groups: int64 [t], equal for reports of the same words. severity_targets: float32 [t, 4]
    with has_severity [t]: what each report itself says.
    """

    tokens: TokenTable
    report_of: Rows
    groups: NDArray[np.int64]
    severity_targets: NDArray[np.float32]
    has_severity: NDArray[np.bool_]


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
    foreign = np.arange(len(pairs.groups))
    for members in (used[pairs.has_severity[used]], used[~pairs.has_severity[used]]):
        # One round through a random order: nobody keeps the own report (if there are two).
        order = generator.permutation(members)
        foreign[order] = np.roll(order, 1)
    report_of = pairs.report_of.copy()
    own = report_of[rows]
    report_of[rows] = np.where(own == NO_REPORT, NO_REPORT, foreign[own])
    return replace(pairs, report_of=report_of)
