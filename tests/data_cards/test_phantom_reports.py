import re
from collections import Counter

import numpy as np
import pytest

from data_cards.findings import CHEXPERT_OBSERVATIONS, FINDINGS
from data_cards.phantom.causal import make_patient, plan_patients
from data_cards.phantom.grammar import Sentence, fill, load_language
from data_cards.phantom.perception import perceive
from data_cards.phantom.reporter import REPORTED_FINDINGS, _collect, write_report
from data_cards.phantom.settings import (
    REAL_PERCEPTION_BIAS,
    REAL_PERCEPTION_SIGMA,
    PhantomSettings,
)

HEDGES = r"may |could |not excluded|cannot be|[Pp]ossib|[Ss]uspe|[Qq]uestion|[Pp]robabl|[Ll]ikely"


def write_all(studies=800, **changes):
    settings = PhantomSettings(studies=studies, seed=11, **changes)
    pairs, first = [], 0
    for index, count in enumerate(plan_patients(settings.seed, studies)):
        patient = make_patient(settings.seed, index, first, count)
        first += count
        pairs += [
            (state, write_report(settings, patient, k)) for k, state in enumerate(patient.studies)
        ]
    return pairs


@pytest.fixture(scope="module")
def written():
    return write_all()


def share(written, pattern):
    return np.mean([bool(re.search(pattern, report.text)) for _, report in written])


@pytest.mark.parametrize(
    ("what", "pattern", "least"),
    [
        ("sections", r"(?m)^ ?(FINDINGS|Findings|REPORT):", 0.4),
        ("impressions", r"(IMPRESSION|Impression|CONCLUSION|OPINION|SUMMARY):", 0.5),
        ("lists of negatives", r"[Nn]o [^.]*, [^.]* or ", 0.15),
        ("negation", r"\b([Nn]o|without|w/o|not) ", 0.85),
        ("hedging", HEDGES, 0.15),
        ("comparison", r"[Uu]nchanged|[Ww]orsen|[Ii]mprov|[Ii]ncreased|resol|[Ss]table", 0.15),
        ("abbreviations", r"\b(CHF|ETT|NGT|PICC|PTX|PNA|RLL|LLL|c/w|s/p|SVC)\b", 0.2),
        ("blanks", r"___", 0.1),
        ("redaction", r"XXXX", 0.1),
        ("brackets", r"\[\*\*", 0.1),
        ("edema asked for", r"(evaluate|eval|assess|r/o|[Rr]ule out|\?)[^.]*(edema|CHF)", 0.08),
        ("capitals", r"^[^a-z]+$", 0.01),
        ("British spelling", r"\b[Oo]edema", 0.005),
        ("numbered impressions", r"1\. .*\n? ?2\. ", 0.1),
    ],
)
def test_reports_have_what_real_reports_have(written, what, pattern, least):
    assert share(written, pattern) >= least, what


def test_report_kinds_include_unsectioned_and_impression_only(written):
    kinds = Counter(report.kind for _, report in written)
    assert set(kinds) == {"full", "no impression", "only impression", "unsectioned"}
    assert min(kinds.values()) > 30


def test_about_half_of_the_reports_state_the_severity(written):
    assert 0.42 < np.mean([report.states_severity for _, report in written]) < 0.56


@pytest.mark.parametrize("stated", [0.0, 1.0])
def test_the_share_that_states_the_severity_is_a_setting(stated):
    written = write_all(60, severity_stated=stated, slip_rate=0.0)
    assert {report.states_severity for _, report in written} == {bool(stated)}


def test_a_report_that_states_no_severity_never_grades_edema():
    grades = r"interstitial|alveolar|congestion|[Kk]erley|cephaliz|engorge|redistribution|bat-wing"
    for _, report in write_all(400, severity_stated=0.0, typo_rate=0.0):
        assert not re.search(grades, report.text)


def test_unstated_reports_keep_silent_about_edema_or_name_it_without_a_grade(written):
    silent = [r for _, r in written if not r.states_severity and r.perceived_severity > 0]
    named = [r for r in silent if r.says["Edema"] is not None]
    assert 0.2 < len(named) / len(silent) < 0.5


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (1, r"congest|engorg|cephaliz|redistrib|plethora|hypertension|borderline|hila"),
        (2, r"interstitial|septal|[Kk]erley|cuffing"),
        (3, r"severe|alveolar|florid|frank|marked|fulminant|bat-wing|air-?space"),
    ],
)
def test_a_stated_severity_is_in_the_words(level, words):
    told = [
        report.text
        for _, report in write_all(500, severity_stated=1.0, typo_rate=0.0)
        if report.perceived_severity == level and report.states_severity
    ]
    assert len(told) > 20
    assert all(re.search(words, text, re.IGNORECASE) for text in told)


def test_finding_truth_is_what_the_chosen_sentences_say():
    said = [
        Sentence("pleura", "", {"Pleural Effusion": 0, "Pneumothorax": 0}),
        Sentence("pleura", "", {"Pleural Effusion": -1}),
        Sentence("heart", "", {"Cardiomegaly": -1}),
        Sentence("heart", "", {"Cardiomegaly": 1}),
    ]
    says = _collect(said)
    assert says["Pleural Effusion"] == -1  # uncertain beats negative
    assert says["Cardiomegaly"] == 1  # positive beats uncertain
    assert says["Pneumothorax"] == 0
    assert says["Fracture"] is None
    assert says["No Finding"] is None
    assert _collect([Sentence("devices", "", {"Support Devices": 1})])["No Finding"] == 1


def test_every_named_finding_is_in_the_text():
    """Findings with one word of their own are mentioned exactly where the truth says so."""
    for _, report in write_all(300, typo_rate=0.0):
        words = re.sub(r"XXXX", "", report.text)
        body = re.split(r"(?i)(?:findings|report|impression|conclusion|opinion|summary): ?", words)
        text = " ".join(body[1:]) if len(body) > 1 else words
        if report.says["Pneumothorax"] is not None:
            assert re.search(r"(?i)pneumothora|PTX", text)
        if report.says["Cardiomegaly"] == 1:
            assert re.search(r"(?i)cardiomegaly|enlarge", text)


def test_without_noise_the_reporter_sees_the_truth():
    clean = {"perception_bias": 0.0, "perception_sigma": 0.0, "slip_rate": 0.0}
    for state, report in write_all(200, **clean):
        assert report.perceived_severity == state.severity
        drawn = state.findings()
        for finding in ("Pleural Effusion", "Pneumothorax", "Cardiomegaly", "Fracture"):
            assert (report.says[finding] in (1, -1)) == bool(drawn[finding])


def test_agreement_falls_to_the_measured_half_at_the_real_noise(written):
    def agreement(pairs):
        return np.mean([state.severity == report.perceived_severity for state, report in pairs])

    real = write_all(
        800, perception_bias=REAL_PERCEPTION_BIAS, perception_sigma=REAL_PERCEPTION_SIGMA
    )
    assert 0.64 < agreement(written) < 0.80
    assert 0.43 < agreement(real) < 0.56
    over = np.mean([report.perceived_severity > state.severity for state, report in real])
    under = np.mean([report.perceived_severity < state.severity for state, report in real])
    assert over > 1.3 * under


def test_slips_omit_and_invent_alike():
    settings = PhantomSettings(slip_rate=0.3)
    missed = invented = 0
    first = 0
    for index, count in enumerate(plan_patients(0, 3000)):
        patient = make_patient(0, index, first, count)
        first += count
        for state in patient.studies:
            seen = "Pleural Effusion" in perceive(settings, state).findings
            missed += bool(state.effusions) and not seen
            invented += seen and not state.effusions
    assert 0.6 < invented / missed < 1.6


def test_typing_errors_follow_their_rate():
    texts = [
        [report.text.lower().split() for _, report in write_all(100, typo_rate=rate)]
        for rate in (0.0, 0.2)
    ]
    words = {word for text in texts[0] for word in text}
    new = [word for text in texts[1] for word in text if word not in words]
    assert len(new) > 0.05 * sum(map(len, texts[1]))


def test_reports_are_many_and_rarely_twice_the_same(written):
    texts = [report.text for _, report in written]
    assert len(set(texts)) > 0.99 * len(texts)
    sentences = {s.strip() for text in texts for s in re.split(r"[.\n]", text) if s.strip()}
    assert len(sentences) > 2000


def test_the_language_names_known_findings_and_fills_every_slot():
    general, edema, findings = load_language()
    groups = [group for finding in findings.values() for group in finding.groups]
    groups += [g for level in (*edema.levels.values(), *edema.signs.values()) for g in level]
    groups += edema.ungraded
    assert {name for group in groups for name in group.says} <= set(FINDINGS)
    assert {code for group in groups for code in group.says.values()} <= {-1, 0, 1}
    assert set(general.denials) <= set(REPORTED_FINDINGS)
    assert set(CHEXPERT_OBSERVATIONS) < set(REPORTED_FINDINGS)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("plain text", {"plain text"}),
        ("{a|b} c", {"a c", "b c"}),
        ("{very|} small", {"very small", "small"}),
        ("seen on {date}", {"seen on ___"}),
        ("{since {date}|}", {"since ___", ""}),
    ],
)
def test_templates_become_words(template, words):
    filled = {fill(template, np.random.default_rng(k), {"date": "___"}) for k in range(30)}
    assert filled == words


def test_no_slot_is_left_open(written):
    assert not any(re.search(r"[{}|]|_ ?\b(?:mild|severe|effusion)_", r.text) for _, r in written)
    assert not any(re.search(r"\b[a-z]+_(?!_)", r.text) for _, r in written)
