from __future__ import annotations

import pytest

from data_cards.mimic_cxr.sections import choose_section
from joint.report_text import ReportReader

TOP = " " * 33 + "FINAL REPORT\n "


@pytest.mark.parametrize(
    ("report", "name", "text"),
    [
        (
            "EXAMINATION: CHEST\n \n FINDINGS: \n \n Clear.\n \n IMPRESSION: \n \n Edema.\n",
            "impression",
            "Edema.",
        ),
        ("IMPRESSION: First.\n FINDINGS: Clear.\n IMPRESSION: Second.\n", "impression", "Second."),
        ("IMPRESSION: \n \n FINDINGS: Clear.\n", "findings", "Clear."),
        ("CONCLUSION: Edema.\n", "impression", "Edema."),
        ("IMPRESSON: Edema.\n COMPARISON: None.\n", "impression", "Edema."),
        ("PA AND LATERAL VIEWS OF THE CHEST: Clear.\n", "findings", "Clear."),
        ("INDICATION: Edema?\n \n CHEST, TWO VIEWS: Clear.\n", "findings", "Clear."),
        (
            "INDICATION: Edema?\n COMPARISON: None.\n \n Clear lungs.\n \n No effusion.\n",
            "last_paragraph",
            "Clear lungs.\n \n No effusion.",
        ),
        (
            "INDICATION: Cough.\n COMPARISON: ___, edema is less.\n",
            "comparison",
            "___, edema is less.",
        ),
        ("FINDNINGS: Clear.\n COMPARSION: None.\n", "findings", "Clear."),
        ("INDICATION: Dyspnea.\n", None, None),
        ("The lungs are clear: no edema.\n", None, None),
    ],
)
def test_the_official_rule_chooses_the_section(report, name, text):
    whole = TOP + report
    found = choose_section(whole)
    assert (found and found.name) == name
    assert (found and whole[found.start : found.end]) == text


def test_a_report_without_findings_and_impression_is_read_by_the_official_rule():
    report = TOP + "INDICATION: Rule out edema.\n COMPARISON: None.\n \n The lungs are clear.\n"
    assert ReportReader()(report) == "The lungs are clear."
    assert ReportReader()("The lungs are clear.") == "The lungs are clear."
