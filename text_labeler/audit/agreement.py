"""How far two blind readers of the same item agree beyond chance, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import beta

from configs.settings import Settings
from text_labeler.audit.conflicts import SEVERITY, group_reads
from text_labeler.audit.kappa import (
    Array,
    Ratings,
    adjust_for_prevalence,
    weigh_agreement,
    weigh_cohen,
    weigh_fleiss,
    weigh_krippendorff,
)
from text_labeler.audit.posterior import JEFFREYS
from text_labeler.audit.records import Item, Read, Verdict

DRAWS = 2000
MOST_UNDEFINED = 0.05
"""Share of bootstrap draws that may be undefined before the interval is withheld."""

FINDING_CATEGORIES: dict[Verdict, int] = {
    "absent": 0,
    "not_mentioned": 0,
    "uncertain": 1,
    "present": 2,
}
SEVERITY_CATEGORIES: dict[Verdict, int] = {"not_mentioned": 0, "0": 0, "1": 1, "2": 2, "3": 3}


class AgreementValue(Settings):
    """One coefficient with its 95 % interval; `reason` says why it is missing, else "" ."""

    name: str
    value: float | None
    lower: float | None
    upper: float | None
    reason: str = ""


class FindingAgreement(Settings):
    """Agreement of the first two readers on the items that were planned for two.

    Items read again for a conflict, and decoys, are left out: they are no random sample. unclear:
    items left out because a reader could not tell.
    """

    finding: str
    items: int
    unclear: int
    agreed: AgreementValue
    values: tuple[AgreementValue, ...]


def measure_agreement(
    finding: str, items: Sequence[Item], reads: Sequence[Read], seed: int
) -> FindingAgreement | None:
    """Return the agreement on one finding; None where no planned item has two blind reads."""
    planned = {
        item.item_id
        for item in items
        if item.finding == finding and item.queue == "blind" and item.needed > 1
    }
    categories = SEVERITY_CATEGORIES if finding == SEVERITY else FINDING_CATEGORIES
    groups = group_reads(
        read for read in reads if read.item_id in planned and read.purpose != "adjudication"
    )
    pairs = {
        item: [read.verdict for read in group[:2]]
        for item, group in groups.items()
        if len(group) > 1
    }
    clear = {item: pair for item, pair in pairs.items() if "unclear" not in pair}
    if not clear:
        return None
    ratings = np.array([[categories[verdict] for verdict in pair] for pair in clear.values()])
    return rate_agreement(
        finding,
        ratings,
        list(clear),  # a study has one item of a finding
        np.random.default_rng(seed),
        unclear=len(pairs) - len(clear),
    )


def rate_agreement(
    finding: str,
    ratings: Ratings,
    studies: Sequence[str],
    randomness: np.random.Generator,
    *,
    unclear: int = 0,
) -> FindingAgreement:
    """Return all coefficients of two raters' categories [items, 2], bootstrapped by study."""
    is_ordinal = finding == SEVERITY
    categories = 1 + max((SEVERITY_CATEGORIES if is_ordinal else FINDING_CATEGORIES).values())
    weights = _draw_weights(studies, randomness)

    chance = _chance_disagreement(ratings)

    def describe(
        name: str, compute: Callable[[Array], Array], by_chance: float = chance
    ) -> AgreementValue:
        once = compute(np.ones((1, len(ratings))))[0]
        return _describe(name, once, compute(weights), ratings, by_chance)

    values = [
        describe("Cohen's kappa", lambda w: weigh_cohen(ratings, categories, w)),
        describe("Fleiss' kappa", lambda w: weigh_fleiss(ratings, categories, w)),
        describe("Krippendorff's alpha", lambda w: weigh_krippendorff(ratings, categories, w)),
        describe(
            "PABAK",
            lambda w: adjust_for_prevalence(weigh_agreement(ratings, w), categories),
            1 - 1 / categories,
        ),
    ]
    if is_ordinal:
        values += [
            describe(
                "Cohen's kappa, quadratic weights",
                lambda w: weigh_cohen(ratings, categories, w, is_ordinal=True),
            ),
            describe(
                "Krippendorff's alpha, ordinal",
                lambda w: weigh_krippendorff(ratings, categories, w, is_ordinal=True),
            ),
        ]
    return FindingAgreement(
        finding=finding,
        items=len(ratings),
        unclear=unclear,
        agreed=describe("agreed", lambda w: weigh_agreement(ratings, w), 1.0),
        values=tuple(values),
    )


def _draw_weights(studies: Sequence[str], randomness: np.random.Generator) -> Array:
    """Draw how often each item is in a bootstrap sample of studies, [DRAWS, items]."""
    names, of_item = np.unique(np.array(studies), return_inverse=True)
    drawn = randomness.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
    return np.asarray(drawn[:, of_item], dtype=float)


def _describe(
    name: str, value: float, drawn: Array, ratings: Ratings, by_chance: float
) -> AgreementValue:
    number = len(ratings)
    if np.isnan(value):
        return AgreementValue(
            name=name,
            value=None,
            lower=None,
            upper=None,
            reason=f"undefined: all readers say the same of all {number} items",
        )
    if np.isnan(drawn).mean() > MOST_UNDEFINED:
        return AgreementValue(
            name=name,
            value=float(value),
            lower=None,
            upper=None,
            reason=f"no interval: too few of {number} items are anything but the rest",
        )
    lower, upper = (float(end) for end in np.nanquantile(drawn, [0.025, 0.975]))
    if (ratings[:, 0] == ratings[:, 1]).all():
        # A bootstrap of agreement alone can't tell how much disagreement is still to be found.
        agreed = float(beta.ppf(0.025, number + JEFFREYS, JEFFREYS))
        lower = min(lower, 1 - (1 - agreed) / by_chance)
    return AgreementValue(
        name=name,
        value=float(value),
        lower=min(lower, float(value)),
        upper=max(upper, float(value)),
    )


def _chance_disagreement(ratings: Ratings) -> float:
    shares = np.bincount(ratings.ravel()) / ratings.size
    return float(1 - (shares**2).sum()) or 1.0
