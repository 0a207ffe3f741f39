"""The page on profiles says what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import kerley
from text_labeler.profile_tables import describe_profile, describe_profiles
from text_labeler.rule_files import RuleError
from text_labeler.rulebook import load_rulebook

PAGE = Path(__file__).parents[2] / "docs" / "label_profiles.md"


def _run(*arguments):
    result = CliRunner().invoke(kerley.app, ["explain-profile", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.output


def test_the_page_is_what_the_rules_give():
    if PAGE.read_text(encoding="utf-8") != describe_profiles(load_rulebook()):
        pytest.fail(f"write it again: kerley explain-profile > docs/{PAGE.name}")


def test_a_profile_has_a_row_for_each_finding_and_status():
    book = load_rulebook()
    profile = book.profile("chexpert")
    rows = [line.split(" | ") for line in describe_profile(profile, book).splitlines()]
    named = {row[0].removeprefix("| ") for row in rows if len(row) > 2}
    assert named >= profile.findings.keys()
    assert named >= {status.replace("_", " ") for status in profile.statuses}


def test_own_rules_show_where_they_differ(tmp_path):
    (tmp_path / "profile_chexpert.yaml").write_text(
        "no_finding: {ignores: [], when_abnormal: negative, blocked_by: [scarring]}\n"
        "statuses: {unlikely: {says: negative, probability: 0.1}}\n"
        "sections: [[impression], [findings]]\n"
    )
    page = _run("chexpert", "--rules", tmp_path)
    assert "| unlikely | “unlikely” | negative | 0.10 |" in page
    assert "on it: impression; then findings." in page
    assert "These assert nothing: addendum, report, " in page
    assert "nor is any of `scarring`; otherwise it is negative (0.02)." in page
    assert "## Where they differ" not in page
    differ = _run("--rules", tmp_path).split("## Where they differ")[1].split("\n## ")[0]
    assert "| unlikely |" in differ
    assert "| negated |" not in differ


def test_an_unknown_profile_is_refused():
    with pytest.raises(RuleError, match="'nih': no such profile"):
        _run("nih")
