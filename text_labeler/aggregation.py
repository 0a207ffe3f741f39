"""From the mentions of a report to one label for each finding, as a profile counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from data_cards.findings import FINDINGS, LabelCode
from text_labeler.mentions import Mention
from text_labeler.rules_schema import Profile

NO_FINDING = "No Finding"
CODES = {
    "positive": LabelCode.POSITIVE,
    "uncertain": LabelCode.UNCERTAIN,
    "negative": LabelCode.NEGATIVE,
}
_RANK = {LabelCode.NEGATIVE: 0, LabelCode.UNCERTAIN: 1, LabelCode.POSITIVE: 2}
_NORMAL_STUDY = frozenset({"cardiopulmonary_process", "acute_process"})


class Vote(NamedTuple):
    """What one mention says of one finding."""

    finding: str
    code: LabelCode
    probability: float


class Aggregator:
    """Applies a profile: which concepts speak for which finding, and what a status says.

    Over mentions, positive goes before uncertain and uncertain before negative (Irvin et al.
    2019); the probability is the highest among the mentions of the winning code.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._meanings = {
            name: (CODES[status.says], status.probability)
            for name, status in profile.statuses.items()
            if status.probability is not None and status.says in CODES
        }
        self._hedge = profile.statuses["possible"].probability or 0.5
        self._sources: dict[str, list[tuple[str, str]]] = {}
        for finding, sources in profile.findings.items():
            for part, concepts in sources:
                for concept in concepts:
                    self._sources.setdefault(concept, []).append((finding, part))
        self._blocking = frozenset(profile.no_finding.blocked_by)
        self._ignored = frozenset(profile.no_finding.ignores)
        self._votes: dict[tuple[str, str], tuple[Vote, ...]] = {}

    def votes(self, mention: Mention) -> tuple[Vote, ...]:
        """Say what a mention means for each finding it speaks of."""
        key = (mention.concept, mention.status)
        if key not in self._votes:
            self._votes[key] = tuple(self._make_votes(*key))
        return self._votes[key]

    def aggregate(
        self, mentions: Iterable[Mention], *, has_text: bool
    ) -> tuple[dict[str, int | None], dict[str, float | None]]:
        """Return codes and probabilities for each finding of FINDINGS; None: not mentioned.

        has_text: whether any section that counts says something, for No Finding.
        """
        best: dict[str, Vote] = {}
        is_blocked = False
        for mention in mentions:
            for vote in self.votes(mention):
                known = best.get(vote.finding)
                if known is None or _order(vote) > _order(known):
                    best[vote.finding] = vote
            if mention.concept in self._blocking and not is_blocked:
                meaning = self._meanings.get(mention.status)
                is_blocked = meaning is not None and meaning[0] is not LabelCode.NEGATIVE
        labels: dict[str, int | None] = dict.fromkeys(FINDINGS)
        probabilities: dict[str, float | None] = dict.fromkeys(FINDINGS)
        for finding, vote in best.items():
            labels[finding], probabilities[finding] = int(vote.code), vote.probability
            is_abnormal = vote.code is not LabelCode.NEGATIVE and finding not in self._ignored
            is_blocked = is_blocked or is_abnormal
        if has_text:
            labels[NO_FINDING], probabilities[NO_FINDING] = self._judge_no_finding(is_blocked)
        return labels, probabilities

    def _judge_no_finding(self, is_blocked: bool) -> tuple[int | None, float | None]:
        policy = self._profile.no_finding
        if not is_blocked:
            return int(LabelCode.POSITIVE), policy.probability
        if policy.when_abnormal == "blank":
            return None, None
        return int(LabelCode.NEGATIVE), policy.probability_when_abnormal

    def _make_votes(self, concept: str, status: str) -> Iterator[Vote]:
        meaning = self._meanings.get(status)
        if meaning is None:
            return
        code, probability = meaning
        for finding, part in self._sources.get(concept, ()):
            if part == "concepts":
                yield Vote(finding, code, probability)
            elif code is not LabelCode.NEGATIVE:
                if part == "uncertain_from":
                    hedged = min(probability, self._hedge)
                    yield Vote(finding, LabelCode.UNCERTAIN, hedged)
                else:
                    yield Vote(finding, code, probability)

    def denies_disease(self, mention: Mention) -> bool:
        """Tell whether a mention calls the study normal ("no acute cardiopulmonary process")."""
        meaning = self._meanings.get(mention.status)
        is_negative = meaning is not None and meaning[0] is LabelCode.NEGATIVE
        return is_negative and mention.concept in _NORMAL_STUDY


def _order(vote: Vote) -> tuple[int, float]:
    return _RANK[vote.code], vote.probability
