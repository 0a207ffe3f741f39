"""Disagreements: which there are, and the page and table to read them in."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from data_cards.report_table.reader import read_report_table
from text_labeler.disagreement_page import SHOWN_EACH, make_csv, make_page
from text_labeler.disagreements import Disagreement, Kind, find_disagreements, read_reports
from text_labeler.gold import Gold, make_gold
from text_labeler.labeler import Labeler
from text_labeler.reading import Evidence
from text_labeler.scoring import ScoringError

REPORTS = {
    "a": "FINDINGS: No pulmonary edema. <b>Cardiomegaly</b> is seen.",
    "b": "FINDINGS: Pulmonary edema. Heart size is normal.",
    "c": "FINDINGS: Small left pleural effusion.",
    "d": "FINDINGS: Possible pulmonary edema.",
}


@pytest.fixture(scope="module")
def labels():
    labeler = Labeler("chestxray14")
    rows = []
    for study, report in REPORTS.items():
        said = labeler(report)
        evidence = [piece._asdict() for piece in said.evidence]
        rows.append({"study_id": study, **said.labels, "evidence": evidence}
                    | {"edema_severity": said.severity})  # fmt: skip
    frame = pd.DataFrame(rows)
    codes = [name for name in frame if name not in ("study_id", "evidence")]
    return frame.astype(dict.fromkeys(codes, "Int8"))


def _codes(**columns):
    frame = pd.DataFrame({"study_id": list(REPORTS), **columns})
    return frame.astype(dict.fromkeys(columns, "Int8"))


def _name(found):
    return [(one.finding, one.kind.name, one.study_id, one.gold, one.given) for one in found]


def test_kinds_for_a_reference_of_presence(labels):
    gold = Gold(_codes(Edema=[1, 0, 1, 1], Cardiomegaly=[1, 0, 0, 0]), None, presence_only=True)
    found = find_disagreements(labels, gold)
    assert _name(found) == [
        ("Edema", "MISSED", "c", "present", "not mentioned"),
        ("Edema", "WRONG", "a", "present", "absent"),
        ("Edema", "WRONG", "d", "present", "uncertain"),
        ("Edema", "FALSE_ALARM", "b", "not coded", "present"),
    ]


@pytest.mark.parametrize(
    ("policy", "gold", "kinds"),
    [
        ("absent", 1, ["WRONG"]),
        ("absent", 0, []),
        ("present", 1, []),
        ("present", 0, ["FALSE_ALARM"]),
        ("uncertain", 1, []),
        ("uncertain", 0, []),
    ],
)
def test_the_policy_decides_what_an_uncertain_label_is(labels, policy, gold, kinds):
    reference = Gold(_codes(Edema=[0, 1, 0, gold]), None, presence_only=True)
    found = find_disagreements(labels, reference, uncertain_as=policy)
    assert [one.kind.name for one in found] == kinds


def test_a_reference_of_codes_is_asked_for_each_of_them(labels):
    gold = make_gold(_codes(Edema=[-1, 1, 0, None]), "gold")
    assert _name(find_disagreements(labels, gold)) == [
        ("Edema", "MISSED", "c", "absent", "not mentioned"),
        ("Edema", "WRONG", "a", "uncertain", "absent"),
        ("Edema", "FALSE_ALARM", "d", "not mentioned", "uncertain"),
    ]


def test_levels_disagree_too(labels):
    gold = make_gold(_codes(severity=[0, 3, 1, None]), "gold")
    found = find_disagreements(labels, gold)
    assert [(one.kind.name, one.study_id, one.gold) for one in found] == [
        ("MISSED", "c", "level 1"),
        ("WRONG", "b", "level 3"),
        ("FALSE_ALARM", "d", "no level"),
    ]
    assert found[1].is_own
    assert found[1].evidence


def test_evidence_is_that_of_the_finding_where_it_has_any(labels):
    gold = Gold(_codes(Edema=[1, 1, 1, 0]), None, presence_only=True)
    missed, wrong = find_disagreements(labels, gold)
    assert wrong.is_own
    assert {piece.finding for piece in wrong.evidence} == {"Edema"}
    assert not missed.is_own
    assert "Pleural Effusion" in {piece.finding for piece in missed.evidence}


@pytest.fixture(scope="module")
def found(labels):
    gold = Gold(_codes(Edema=[1, 0, 1, 1], Cardiomegaly=[0, 1, 0, 0]), None, presence_only=True)
    return find_disagreements(labels, gold)


def test_the_table_has_words_cue_and_rule(found):
    rows = list(csv.DictReader(io.StringIO(make_csv(found, REPORTS))))
    row = next(row for row in rows if row["study_id"] == "a" and row["finding"] == "Edema")
    assert (row["words"].split(" | ")[0], row["cues"].split(" | ")[0]) == ("pulmonary edema", "No")
    assert row["report"] == REPORTS["a"]
    assert len(rows) == len(found)


def test_the_page_shows_the_report_marked_and_escaped(found):
    page = make_page(found, REPORTS, title="A <title>")
    assert "A &lt;title&gt;" in page
    assert "&lt;b&gt;" in page
    assert "<b>Cardiomegaly" not in page
    assert '<mark class="negative" title="Edema' in page
    assert "This page holds report text" in page
    assert page.count("<article") == len(found)


def test_where_all_agree_the_page_says_so():
    assert "agree everywhere" in make_page([], {}, title="x")


def test_of_very_many_a_sample_is_shown():
    many = [
        Disagreement(str(n), "Edema", Kind.MISSED, "present", "not mentioned", (), is_own=False)
        for n in range(SHOWN_EACH + 5)
    ]
    page = make_page(many, {one.study_id: "x" for one in many}, title="x")
    assert page.count("<article") == SHOWN_EACH
    assert f"{SHOWN_EACH + 5}, {SHOWN_EACH} of them drawn" in page
    assert page == make_page(many, {one.study_id: "x" for one in many}, title="x")


def test_the_page_filters_and_asks_for_nothing(found, browser_page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(make_page(found, REPORTS, title="x"), encoding="utf-8")
    asked = []
    browser_page.on("request", lambda request: asked.append(request.url))
    browser_page.goto(file.as_uri())
    assert browser_page.locator("article:visible").count() == len(found)
    browser_page.select_option("select", "Edema")
    assert browser_page.locator("article:visible").count() == 4
    browser_page.uncheck("input[value='wrong assertion']")
    assert browser_page.locator("article:visible").count() == 2
    browser_page.fill("input[type=search]", "EFFUSION")
    assert browser_page.locator("article:visible").count() == 1
    assert "1 of" in browser_page.text_content("output")
    assert asked == [file.as_uri()]


def test_other_reports_than_those_labelled_are_refused(tmp_path):
    file = tmp_path / "reports.csv"
    file.write_text("study_id,report\na,Edema.\n")
    listing = read_report_table(file)
    piece = Evidence("Edema", "findings", 0, 9, "positive", "edema", None, None)
    at_a = Disagreement("a", "Edema", Kind.WRONG, "absent", "present", (piece,), is_own=True)
    at_b = Disagreement("b", "Edema", Kind.WRONG, "absent", "present", (), is_own=False)
    with pytest.raises(ScoringError, match="0 have no report there, and 1 have one that ends"):
        read_reports(listing, [at_a])
    with pytest.raises(ScoringError, match="1 have no report there, and 0"):
        read_reports(listing, [at_b])
