"""Rules are data: a radiologist can change them, and a mistake is named with its line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from data_cards.findings import FINDINGS, PARENTS
from text_labeler import Labeler
from text_labeler.phrases import PhraseError, expand_phrase
from text_labeler.rule_files import RuleError
from text_labeler.rulebook import RULES_FOLDER, load_rulebook


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    shutil.copytree(RULES_FOLDER, folder)
    return folder


def _edit(file, old, new):
    text = file.read_text()
    assert text.count(old) >= 1
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("cues", "looks: behind", "looks: sideways", "looks: Input should be"),
        ("cues", "  not_seen:", "  no:", "'no' stands here twice"),
        ("cues", '"absence of"', "[absence]", "Input should be a valid string"),
        ("findings", '"pulmonary fibrosis"', '"(pulmonary fibrosis"', "brackets do not close"),
        ("findings", '"tuberculosis"', '"pneumonia"', "'pneumonia' already stands for"),
        ("severity", "trace: [0.20, 0.77,", "trace: [0.20, 0.97,", "sums to 1.200, not 1"),
        ("severity", "interstitial: [interstitial_edema", "interstitial: [x", "'x'"),
        ("structures", "cardiomegaly: normal", "cardiomegali: normal", "'cardiomegali'"),
        ("profile_chexpert", "  Edema:", "  Edma:", "'Edma'"),
        ("profile_chexpert", "probability: 0.97", "probability: 1.97", "less than or equal to 1"),
        ("profile_severity", "concepts: [atelectasis]", "concepts: [atelectasia]", "'atelectasia'"),
        ("findings", "Mass: {parent: Lung Lesion", "Mass: {parent: Fracture", "'Mass' is one of"),
        ("findings", "  Mass: {parent: Lung", "  Edema: {parent: Lung", "'Edema' is one of"),
        (
            "profile_chexpert",
            "[findings, impression, report]",
            "[findings, impresion, report]",
            "'impresion' is not known in sections",
        ),
        (
            "profile_chexpert",
            "settled_by: [impression]",
            "settled_by: [impresion]",
            "'impresion' is not known in settled_by",
        ),
        ("sections", "findings:", "findings: [", "not readable as YAML"),
        ("words", "same_word:", "same_words:", "same_word"),
    ],
)
def test_faulty_rule_is_refused_with_its_line(rules, name, old, new, said):
    line = _edit(rules / f"{name}.yaml", old, new)
    with pytest.raises(RuleError) as error:
        load_rulebook(rules)
    message = str(error.value)
    assert said in message
    assert f"{name}.yaml, line " in message
    if name not in {"sections", "words"}:
        assert f"line {line}" in message or f"line {line + 1}" in message


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(RuleError, match="chestxray14, chexpert, severity"):
        Labeler("chexbert")


@pytest.mark.parametrize("name", [None, "finding.yaml"])
def test_a_folder_without_rules_or_with_unknown_files_is_refused(tmp_path, name):
    if name:
        (tmp_path / name).write_text("concepts: {}")
    with pytest.raises(RuleError, match=r"expected some of words\.yaml"):
        load_rulebook(tmp_path)


OWN_FINDING = """\
concepts:
  rib_notching:
    phrases: ["rib notching", "notching of [the] rib"]
  emphysema:
    phrases: ["leathery lung", remove: "bleb"]
finer_findings:
  Rib Notching: {parent: Fracture, concepts: [rib_notching]}
"""


def test_a_finding_is_added_in_one_short_file(tmp_path):
    (tmp_path / "findings.yaml").write_text(OWN_FINDING)
    book = load_rulebook(tmp_path)
    assert (book.findings[-1], book.parents["Rib Notching"]) == ("Rib Notching", "Fracture")
    for profile in book.profiles:
        labeler = Labeler(profile, rules=tmp_path)
        labels = labeler("No notching of the ribs. Leathery lungs. Apical bleb.").labels
        assert (labels["Rib Notching"], labels["Emphysema"]) == (0, 1)
        assert labeler("Apical bleb.").labels["Emphysema"] is None
        assert labeler("Rib notching. Small effusion.").labels["Pleural Effusion"] == 1
    assert "Rib Notching" not in Labeler()("Rib notching.").labels


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"rib notching"', '"(rib notching"', "findings.yaml, line 3: '(rib notching'"),
        ('"leathery lung"', '"leathery lung", "fibrosis"', "'fibrosis' already stands for"),
        ('remove: "bleb"', 'remove: "blob"', "findings.yaml, line 5: {'remove': 'blob'}: expected"),
        ('remove: "bleb"', "remove: [bleb]", "line 5: {'remove': ['bleb']}: expected"),
        ("parent: Fracture", "parent: Fractures", "findings.yaml, line 7: 'Fractures' is none of"),
        (
            "concepts: [rib_notching]",
            "concepts: [rib]",
            "findings.yaml, line 7: 'rib' is not known",
        ),
        ("Rib Notching:", "edema_severity:", "'edema_severity' cannot name a column"),
        ("finer_findings:", "finer:", "finer: Extra inputs"),
    ],
)
def test_a_fault_in_ones_own_rules_is_named_with_its_line(tmp_path, old, new, said):
    (tmp_path / "findings.yaml").write_text(OWN_FINDING.replace(old, new))
    with pytest.raises(RuleError) as error:
        load_rulebook(tmp_path)
    assert said in str(error.value)


def test_an_impression_may_decide_in_a_group_of_its_own(tmp_path):
    (tmp_path / "profile_chexpert.yaml").write_text(
        "sections: [[addendum], [impression], [findings, report]]"
    )
    labeler = Labeler("chexpert", rules=tmp_path)
    report = "FINDINGS: Small effusion. Pneumonia.\nIMPRESSION: No pneumonia."
    labels = labeler(report).labels
    assert (labels["Pneumonia"], labels["Pleural Effusion"]) == (0, 1)


def test_the_finer_findings_and_their_parents_are_those_of_the_label_table():
    book = load_rulebook()
    assert book.findings == FINDINGS
    assert book.parents == PARENTS


def test_a_phrase_is_added_without_python(rules):
    assert Labeler("chexpert")("Wobbly lung sign.").labels["Fibrosis"] is None
    _edit(rules / "findings.yaml", '"honeycombing"', '"honeycombing", "wobbly lung [sign]"')
    assert Labeler("chexpert", rules=rules)("Wobbly lungs.").labels["Fibrosis"] == 1


def test_no_is_a_word_and_not_a_truth_value(rules):
    _edit(rules / "cues.yaml", 'phrases: ["no", ', "phrases: [no, ")
    assert Labeler("chexpert", rules=rules)("No edema.").labels["Edema"] == 0


def test_hash_names_the_rules_and_not_their_comments(rules):
    before = load_rulebook(RULES_FOLDER).content_hash
    file = rules / "findings.yaml"
    file.write_text("# A remark.\n" + file.read_text())
    assert load_rulebook(rules).content_hash == before
    _edit(file, '"honeycombing"', '"honeycomb"')
    assert load_rulebook(rules).content_hash != before


@pytest.mark.parametrize(
    ("phrase", "written"),
    [
        ("edema", ["edema"]),
        ("[small] effusion", ["effusion", "small effusion"]),
        ("(rib|spine) fracture", ["rib fracture", "spine fracture"]),
        ("a [b|c] d", ["a d", "a b d", "a c d"]),
    ],
)
def test_phrases_are_written_out(phrase, written):
    assert expand_phrase(phrase) == written


@pytest.mark.parametrize(
    "phrase", ["", "[a]", "(a|b", "a)", "[a (b|c)]", "a | b", "[a|b]" * 8 + "c"]
)
def test_unreadable_phrases_are_refused(phrase):
    with pytest.raises(PhraseError):
        expand_phrase(phrase)


def test_the_recipe_for_adding_a_finding_works_as_it_is_written(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "adding_a_finding.md").read_text()
    finding, phrases = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "findings.yaml").write_text(finding)
    report = "No scalloping of the left ribs. Left apical bleb."
    labels = Labeler(rules=tmp_path)(report).labels
    assert (labels["Rib Notching"], labels["Emphysema"]) == (0, 1)
    (tmp_path / "findings.yaml").write_text(phrases)
    assert Labeler(rules=tmp_path)(report).labels["Emphysema"] is None
    for name in re.findall(r"^\| `([a-z_]+)\.yaml`", page, re.MULTILINE):
        assert (RULES_FOLDER / f"{name}.yaml").is_file()
