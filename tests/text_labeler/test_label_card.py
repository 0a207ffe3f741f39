from __future__ import annotations

import re
from pathlib import Path

import pytest

from data_cards.report_table.reader import read_report_table
from tests.data_cards.test_commands import run  # noqa: F401 - a fixture
from text_labeler.label_card import count_table, write_label_card
from text_labeler.mining import mine

SECRET = "Zyzzyva"
REPORTS = [
    f"FINDINGS: Moderate cardiomegaly. Large right pleural effusion, {SECRET}.",
    "IMPRESSION: Cardiomegaly with interstitial pulmonary edema.",
    "FINDINGS: No pleural effusion. No pneumothorax. The heart is normal in size.",
    "IMPRESSION: Possible pneumonia.",
    "",
]


def mine_reports(root: Path, copies: int = 5):
    rows = [
        f'id{SECRET}{n}-{copy},"{report}"'
        for copy in range(copies)
        for n, report in enumerate(REPORTS)
    ]
    source = root / "reports.csv"
    source.write_text("\n".join(["study_id,report", *rows]) + "\n")
    table = root / "labels.parquet"
    return table, mine(read_report_table(source), table)


def table_row(card: str, name: str) -> list[str]:
    return re.search(rf"^\| {re.escape(name)} \|(.*)\|$", card, re.MULTILINE)[1].split(" | ")


def test_the_card_holds_what_the_table_says(tmp_path):
    table, manifest = mine_reports(tmp_path)
    card = write_label_card(table, manifest).read_text()
    assert [cell.strip() for cell in table_row(card, "Cardiomegaly")] == [
        *("10", "0", "5", "10", "0.400")
    ]
    assert [cell.strip() for cell in table_row(card, "Pneumonia")] == ["0", "5", "0", "20", "0.000"]
    assert table_row(card, "2 interstitial edema") == [" 5 "]
    assert [cell.strip() for cell in table_row(card, "Cardiomegaly and Pleural Effusion")] == [
        *("5", "2.5")
    ]
    for value in (manifest.table_hash, manifest.rules_hash, manifest.corpus_hash):
        assert f"`{value}`" in card
    assert "- empty report: 5" in card or "- no report: 5" in card
    assert "None was given" in card
    assert f"Kerley {manifest.labeler_version}" in card


def test_evidence_is_counted_by_report_section_and_rule(tmp_path):
    table, _ = mine_reports(tmp_path)
    evidence = count_table(table).evidence
    assert (evidence.reports, evidence.with_mention) == (25, 20)
    assert evidence.mentions == sum(evidence.sections.values()) == sum(evidence.rules.values())
    assert set(evidence.sections) == {"findings", "impression"}
    assert evidence.rules["pleural_effusion+no"] == 5
    assert evidence.median in (2, 3)


def test_counts_do_not_depend_on_row_groups(tmp_path):
    import pyarrow.parquet as pq

    table, _ = mine_reports(tmp_path)
    cut = tmp_path / "cut.parquet"
    pq.write_table(pq.read_table(table), cut, row_group_size=4)
    assert count_table(cut) == count_table(table)


def test_rare_pairs_and_kinds_of_a_finding_are_no_pairs(tmp_path):
    table, _ = mine_reports(tmp_path, copies=4)
    assert count_table(table).pairs == ()
    table, _ = mine_reports(tmp_path, copies=5)
    named = [(pair.first, pair.second) for pair in count_table(table).pairs]
    assert ("Cardiomegaly", "Edema") in named


def test_no_word_of_a_report_and_no_id_is_in_the_card(tmp_path):
    table, manifest = mine_reports(tmp_path)
    assert SECRET.lower() not in write_label_card(table, manifest).read_text().lower()


def test_the_command_writes_the_card_and_scores_it_against_gold(run, tmp_path):  # noqa: F811
    table, _ = mine_reports(tmp_path)
    gold = tmp_path / "gold.csv"
    ids = [f"id{SECRET}{n}-{copy}" for copy in range(5) for n in range(4)]
    rows = [f"{name},{int(name[9] in '01')}" for name in ids]
    gold.write_text("\n".join(["study_id,Cardiomegaly", *rows]) + "\n")
    done = run("mine", tmp_path / "reports.csv", "--out", table, "--gold", gold)
    assert (done.code, "labels.md: the card of the table" in done.out) == (0, True)
    card = (tmp_path / "labels.md").read_text()
    assert "Against `gold.csv`" in card
    assert table_row(card, "Cardiomegaly")[0].strip() == "10"
    assert SECRET not in card


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("labels.md", "study_id,Edema\n1,1\n", r"labels.md: is a reference \(--gold\) and would"),
        ("gold.csv", "study_id,Edema\n1,7\n", "gold.csv, row 1, Edema: 7 is not one of"),
    ],
)
def test_a_wrong_reference_is_told_before_mining(run, tmp_path, name, text, expected):  # noqa: F811
    (tmp_path / "reports.csv").write_text("study_id,report\n1,Clear.\n")
    (tmp_path / name).write_text(text)
    out = tmp_path / "labels.parquet"
    done = run("mine", tmp_path / "reports.csv", "--out", out, "--gold", tmp_path / name)
    assert (done.code, out.exists()) == (2, False)
    assert re.search(expected, done.err)
