"""From what a report's sentences say to one label for each finding, as a profile counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from data_cards.findings import CHEXPERT_OBSERVATIONS, LabelCode
from text_labeler.rules_schema import Profile

NO_FINDING = "No Finding"
CODES = {
    "positive": LabelCode.POSITIVE,
    "uncertain": LabelCode.UNCERTAIN,
    "negative": LabelCode.NEGATIVE,
}
_RANK = {LabelCode.NEGATIVE: 0, LabelCode.UNCERTAIN: 2, LabelCode.POSITIVE: 4}
_NORMAL_STUDY = frozenset({"cardiopulmonary_process", "acute_process"})


class Vote(NamedTuple):
    """What one mention says of one finding; of several votes, the one of highest rank counts."""

    finding: str
    code: int
    probability: float
    says: str
    rank: float


class Weight(NamedTuple):
    """What a mention means: its votes, whether it speaks against No Finding though it is no
    finding, whether it calls the study normal ("no acute cardiopulmonary process"), and for each
    vote the finding and what is said of it."""

    votes: tuple[Vote, ...]
    blocks_no_finding: bool
    denies_disease: bool
    said: tuple[tuple[str, str], ...]


class _Weights(dict[tuple[str, str], Weight]):
    """Weights, each made when it is first asked for."""

    def __init__(self, make: Callable[[str, str], Weight]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: tuple[str, str]) -> Weight:
        weight = self[key] = self._make(*key)
        return weight


class Aggregator:
    """Applies a profile: which concepts speak for which finding, and what a status says.

    Of the groups of sections in a profile, the first that speaks of a finding decides on it. Among
    the mentions of a group, positive goes before uncertain and uncertain before negative (Irvin et
    al. 2019); the probability is the highest among the mentions of the winning code.
    """

    def __init__(self, profile: Profile, findings: Sequence[str]) -> None:
        self._policy = profile.no_finding
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
        self._ignored = set(profile.no_finding.ignores)
        if profile.no_finding.finer_findings == "ignored":
            self._ignored |= set(findings) - set(CHEXPERT_OBSERVATIONS)
        self.weights = _Weights(self._make_weight)
        """What a mention means for the findings of the profile, by its concept and status."""
        self._labels: dict[str, int | None] = dict.fromkeys(findings)
        self._probabilities: dict[str, float | None] = dict.fromkeys(findings)

    def aggregate(
        self,
        groups: Sequence[dict[str, Vote]],
        settled: Mapping[str, Vote],
        *,
        is_blocked: bool,
        has_text: bool,
    ) -> tuple[dict[str, int | None], dict[str, float | None]]:
        """Return codes and probabilities for each finding; None: not mentioned.

        groups: for each group of sections the best vote for each finding, the deciding one first.
        settled: the same for the sections that settle what the others of the last group suspect.
        is_blocked: a sentence speaks against No Finding; has_text: a counted section says
        something.
        """
        best = groups[-1]
        for finding, vote in settled.items():
            if vote.code == LabelCode.NEGATIVE and best[finding].code == LabelCode.UNCERTAIN:
                best = {**best, finding: vote}
        for group in reversed(groups[:-1]):
            if group:
                best = {**best, **group}
        labels, probabilities = self._labels.copy(), self._probabilities.copy()
        for finding, code, probability, _, _ in best.values():
            labels[finding] = code
            probabilities[finding] = probability
            if code and finding not in self._ignored:
                is_blocked = True
        if has_text:
            labels[NO_FINDING], probabilities[NO_FINDING] = self._judge_no_finding(is_blocked)
        return labels, probabilities

    def _judge_no_finding(self, is_blocked: bool) -> tuple[int | None, float | None]:
        policy = self._policy
        if not is_blocked:
            return int(LabelCode.POSITIVE), policy.probability
        if policy.when_abnormal == "blank":
            return None, None
        return int(LabelCode.NEGATIVE), policy.probability_when_abnormal

    def _make_weight(self, concept: str, status: str) -> Weight:
        meaning = self._meanings.get(status)
        if meaning is None:
            return Weight((), False, False, ())
        code, probability = meaning
        votes = tuple(self._make_votes(concept, code, probability))
        return Weight(
            votes,
            concept in self._blocking and code is not LabelCode.NEGATIVE,
            concept in _NORMAL_STUDY and code is LabelCode.NEGATIVE,
            tuple((vote.finding, vote.says) for vote in votes),
        )

    def _make_votes(self, concept: str, code: LabelCode, probability: float) -> Iterator[Vote]:
        for finding, part in self._sources.get(concept, ()):
            if part == "concepts" or (part == "negative_from") == (code is LabelCode.NEGATIVE):
                hedged = part == "uncertain_from"
                yield _make_vote(
                    finding,
                    LabelCode.UNCERTAIN if hedged else code,
                    min(probability, self._hedge) if hedged else probability,
                )


def keep_best(best: dict[str, Vote], votes: Iterable[Vote]) -> None:
    """Put each vote into `best`, by finding, where it ranks above what stands there."""
    for vote in votes:
        known = best.get(vote[0])
        if known is None or vote[4] > known[4]:
            best[vote[0]] = vote


def _make_vote(finding: str, code: LabelCode, probability: float) -> Vote:
    says = code.name.lower()
    return Vote(finding, int(code), probability, says, _RANK[code] + probability)
