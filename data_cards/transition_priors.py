"""Transitions between report and image that were measured elsewhere, by name."""

from __future__ import annotations

from dataclasses import dataclass

MOST_STRENGTH = 1e6
"""Pseudo-studies of a prior per report grade: beside so many no read counts."""


@dataclass(frozen=True)
class NamedPrior:
    """Counts that a transition is made of: row = report, column = image, and its source.

    report_counts: how often each report grade occurs where the counts come from.
    """

    counts: tuple[tuple[int, ...], ...]
    report_counts: tuple[int, ...]
    citation: str
    derivation: str


MIMIC_EDEMA = NamedPrior(
    counts=((29, 9, 0, 1), (12, 15, 5, 4), (9, 11, 8, 2), (11, 9, 7, 9)),
    report_counts=(2647, 1402, 1592, 570),
    citation="mimic-cxr-pe-severity 1.0.1, Liao et al. 2021; Horng, Liao et al. 2021",
    derivation=(
        "regex report grades of 141 images of MIMIC-CXR (123 patients) against the consensus of"
        " radiologists. The published summary gives each row to two decimals with its total"
        " (39, 36, 30, 36); the whole numbers are the only ones that fit, and they give back the"
        " published accuracy 0.433, over-call 41.8 %, under-call 14.9 % and quadratic kappa 0.339."
        " Reweighted by the regex grades of the 6,211 training images (MICCAI 2020 split)."
        " How the 141 were drawn is not documented; no patient ids, so clustering is ignored"
    ),
)
"""What reports of edema say against what 141 images show, by consensus of radiologists."""

TRANSITION_PRIORS = {"mimic_edema": MIMIC_EDEMA}
