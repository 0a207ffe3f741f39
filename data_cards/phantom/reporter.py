"""The reporter: turns what was perceived into sentences, and knows what each sentence says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_cards.findings import CHEXPERT_OBSERVATIONS, LabelCode
from data_cards.phantom.causal import Patient, Stream, stream
from data_cards.phantom.grammar import (
    Sentence,
    fill,
    groups_for,
    load_language,
    pick,
    write,
)
from data_cards.phantom.perception import Perception, perceive
from data_cards.phantom.settings import PhantomSettings
from data_cards.phantom.typesetting import Draft, make_context, typeset
from data_cards.phantom.wording import change_of, finding_context

REPORTED_FINDINGS = (*CHEXPERT_OBSERVATIONS, "Nodule")

DENIAL_CHANCE = {
    "Cardiomegaly": 0.65,
    "Pleural Effusion": 0.8,
    "Consolidation": 0.75,
    "Pneumothorax": 0.75,
    "Lung Lesion": 0.1,
    "Fracture": 0.1,
    "Support Devices": 0.03,
}
"""How often a reporter says that a finding is absent when it is not seen."""

OTHER_NAMES = {"Consolidation": ("Consolidation", "Consolidation", "Lung Opacity", "Pneumonia")}
KINDS = {"full": 0.66, "no impression": 0.08, "only impression": 0.12, "unsectioned": 0.14}


@dataclass(frozen=True)
class Report:
    """A report and the truth of its text, by construction."""

    text: str
    perceived_severity: int
    perceived_fluid: float
    states_severity: bool
    hedges_severity: bool
    says: dict[str, int | None]
    kind: str


def write_report(settings: PhantomSettings, patient: Patient, visit: int) -> Report:
    """Write the report of a patient's study number `visit` (from 0); depends on nothing else."""
    state = patient.studies[visit]
    rng = stream(settings.seed, Stream.REPORT, state.number, 1)
    seen = perceive(settings, state)
    has_prior = visit > 0 and rng.random() < 0.85
    before = perceive(settings, patient.studies[visit - 1]) if has_prior else None
    context = make_context(rng, patient.sex, state.age)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    writer = _Writer(settings, seen, before, rng, context)
    body, impression = writer.compose(kind, state.inspiration)
    draft = Draft(
        kind=kind,
        views=state.views,
        has_prior=has_prior,
        asks_for_edema=bool(rng.random() < 0.25 + 0.3 * (state.severity > 0)),
        body=tuple(body),
        impression=tuple(impression),
    )
    said = [*body, *impression]
    graded = [sentence for sentence in said if sentence.states_severity]
    return Report(
        text=typeset(draft, rng, context, typo_rate=settings.typo_rate),
        perceived_severity=seen.severity,
        perceived_fluid=seen.fluid,
        states_severity=bool(graded),
        hedges_severity=bool(graded) and all(sentence.hedges for sentence in graded),
        says=_collect(said),
        kind=kind,
    )


def _collect(sentences: Iterable[Sentence]) -> dict[str, int | None]:
    """Join what sentences say as CheXpert does: positive over uncertain over negative."""
    rank = {LabelCode.POSITIVE: 2, LabelCode.UNCERTAIN: 1, LabelCode.NEGATIVE: 0}
    says: dict[str, int | None] = dict.fromkeys(REPORTED_FINDINGS)
    for sentence in sentences:
        for finding, code in sentence.says.items():
            known = says[finding]
            if known is None or rank[LabelCode(code)] > rank[LabelCode(known)]:
                says[finding] = code
    is_abnormal = any(
        code in (LabelCode.POSITIVE, LabelCode.UNCERTAIN)
        for finding, code in says.items()
        if finding != "Support Devices"
    )
    says["No Finding"] = None if is_abnormal else int(LabelCode.POSITIVE)
    return says


class _Writer:
    """Chooses what one report says; every choice comes from `rng`."""

    def __init__(
        self,
        settings: PhantomSettings,
        seen: Perception,
        before: Perception | None,
        rng: np.random.Generator,
        context: Mapping[str, str],
    ) -> None:
        self.seen, self.before, self.rng, self.context = seen, before, rng, context
        self.general, self.edema, self.findings = load_language()
        states = rng.random() < settings.severity_stated
        self.states = states and rng.random() >= settings.slip_rate
        self.edema_manner = self._edema_manner()
        self.is_ungraded = not self.states and seen.severity > 0 and rng.random() < 0.35

    def compose(self, kind: str, inspiration: float) -> tuple[list[Sentence], list[Sentence]]:
        """Return the sentences of the findings and of the impression."""
        place = self.rng.random() if kind == "full" else 0.0
        body = self._technical(inspiration) + self._normal()
        body += self._present() + self._absent(may_deny_edema=place < 0.8)
        if place < 0.8 and not any(sentence.states_severity for sentence in body):
            body += self._edema()
        impression = []
        if kind == "full":
            repeats = place >= 0.8 or (place < 0.6 and self.seen.severity > 0)
            impression = self._impression(repeats_edema=repeats)
        return body, impression

    def _chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def _say(self, topic: str, texts: Sequence[str]) -> Sentence:
        return Sentence(topic, fill(pick(self.rng, texts), self.rng, self.context), {})

    def _edema_manner(self) -> str:
        level, before = self.seen.severity, self.before
        if before and self._chance(0.5):
            change = change_of(before.fluid, self.seen.fluid, 0.08)
            if level == 0:
                return "resolved" if before.severity > 0 else "certain"
            if change != "unchanged" or before.severity == level:
                return change
        doubt = 0.16 + (0.2 if self.seen.is_borderline else 0.0)
        return "hedged" if self._chance(doubt) else "certain"

    def _edema(self) -> list[Sentence]:
        """Write about edema: a grade, or edema without a grade, or nothing."""
        level = str(self.seen.severity)
        if self.states:
            groups = groups_for(self.edema.levels[level], self.edema_manner)
            first = write(groups, "edema", self.rng, self.context)._replace(states_severity=True)
            if level in self.edema.signs and self._chance(0.3):
                return [first, write(self.edema.signs[level], "edema", self.rng, self.context)]
            return [first]
        if self.is_ungraded:
            groups = groups_for(self.edema.ungraded, self.edema_manner)
            return [write(groups, "edema", self.rng, self.context)]
        return []

    def _present(self) -> list[Sentence]:
        sentences = [self._finding(finding) for finding in self.seen.findings]
        devices = self.findings["Support Devices"].groups
        for device in self.seen.devices:
            if device not in ("leads", "sternotomy wires") or self._chance(0.5):
                groups = groups_for(devices, device)
                sentences.append(write(groups, "devices", self.rng, self.context))
        return sentences

    def _finding(self, finding: str) -> Sentence:
        """Write one present finding, sure or hedged or compared with the prior study."""
        seen, language = self.seen.findings[finding], self.findings[finding]
        manner = "certain" if seen.certain else "hedged"
        earlier = self.before.findings.get(finding) if self.before else None
        if seen.certain and earlier and self._chance(0.5):
            manner = change_of(earlier.size, seen.size, 0.12)
        sides = "both" if len(seen.sides) > 1 else "one"
        groups = groups_for(language.groups, manner, sides=sides)
        groups = groups or groups_for(language.groups, "certain", sides=sides)
        context = {**self.context, **finding_context(seen, self.rng)}
        return write(groups, language.topic, self.rng, context)

    def _absent(self, *, may_deny_edema: bool) -> list[Sentence]:
        """Deny what was not seen, one by one or in one list as reports do."""
        present = {*self.seen.findings, *(["Support Devices"] if self.seen.devices else [])}
        denied = [
            finding
            for finding, chance in DENIAL_CHANCE.items()
            if finding not in present and self._chance(chance)
        ]
        in_list = [f for f in denied if f not in ("Cardiomegaly", "Support Devices")]
        says_none = self.states and self.seen.severity == 0 and self.edema_manner == "certain"
        if may_deny_edema and says_none and self._chance(0.35):
            in_list.append("Edema")
        if len(in_list) < 2 or self._chance(0.2):
            in_list = []
        sentences = [
            write(
                groups_for(self.findings[finding].groups, "absent"),
                self.findings[finding].topic,
                self.rng,
                self.context,
            )
            for finding in denied
            if finding not in in_list
        ]
        return sentences + ([self._denial_list(in_list)] if in_list else [])

    def _denial_list(self, findings: list[str]) -> Sentence:
        names = [pick(self.rng, OTHER_NAMES.get(finding, (finding,))) for finding in findings]
        self.rng.shuffle(names)
        nouns = [pick(self.rng, self.general.denials[name]) for name in names]
        comma = "," if len(nouns) > 2 and self._chance(0.7) else ""
        joined = f"{', '.join(nouns[:-1])}{comma} or {nouns[-1]}"
        text = fill(pick(self.rng, self.general.lists), self.rng, {"list": joined})
        says = dict.fromkeys(names, 0)
        return Sentence("pleura", text, says, states_severity="Edema" in says)

    def _technical(self, inspiration: float) -> list[Sentence]:
        sentences = []
        if inspiration < -0.5 and self._chance(0.55):
            sentences.append(self._say("technical", self.general.technical["low"]))
        elif inspiration > 0.3 and self._chance(0.12):
            sentences.append(self._say("technical", self.general.technical["full"]))
        if self._chance(0.06):
            sentences.append(self._say("technical", self.general.technical["quality"]))
        return sentences

    def _normal(self) -> list[Sentence]:
        """Write about normal structures; clear lungs only where nothing was seen in them."""
        sentences = []
        lungs = ("Consolidation", "Atelectasis", "Lung Lesion")
        is_clear = not any(finding in self.seen.findings for finding in lungs)
        about_edema = self.seen.severity > 0 and (self.states or self.is_ungraded)
        if is_clear and self.seen.severity < 2 and not about_edema and self._chance(0.5):
            sentences.append(self._say("lungs", self.general.clear))
        for key, topic, chance in (
            ("mediastinum", "heart", 0.35),
            ("bones", "bones", 0.4),
            ("incidental", "bones", 0.07),
        ):
            if self._chance(chance):
                sentences.append(self._say(topic, self.general.normal[key]))
        return sentences

    def _impression(self, *, repeats_edema: bool) -> list[Sentence]:
        """Sum up: edema, then the other findings, or that there is nothing acute."""
        sentences = self._edema()[:1] if repeats_edema else []
        sentences += [self._finding(f) for f in self.seen.findings if self._chance(0.7)]
        impressions = self.general.impressions
        if not sentences:
            is_quiet = self.seen.severity == 0 and not self.seen.findings
            texts = impressions["normal"] if is_quiet else impressions["neutral"]
            sentences.append(self._say("impression", texts))
        if self.before and self._chance(0.12):
            sentences.append(self._say("impression", impressions["prior"]))
        if self._chance(0.08):
            sentences.append(self._say("impression", impressions["closing"]))
        return sentences
