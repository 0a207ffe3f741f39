from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from data_cards.openi.reader import read_openi
from data_cards.openi.sections import compose_report
from data_cards.study import CorpusError

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation>
  <uId id="CXR{uid}"/>
  <MedlineCitation><Article><Abstract>
    <AbstractText Label="COMPARISON"/>
    <AbstractText Label="INDICATION"> Cough &amp; fever. </AbstractText>
    <AbstractText Label="FINDINGS">{findings}</AbstractText>
    <AbstractText Label="IMPRESSION">No edema.</AbstractText>
  </Abstract></Article></MedlineCitation>
  <MeSH><major>normal</major></MeSH>
  <parentImage id="CXR{uid}_IM-0001-1001"/>
  <parentImage id="CXR{uid}_IM-0001-2001"/>
</eCitation>
"""
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><eCitation>&b;</eCitation>'
FILE_ENTITY = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><eCitation>&a;</eCitation>'
OUTER_DTD = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><eCitation/>'


def write_report(root: Path, uid: int, findings: str = "Clear lungs.", name: str = "") -> None:
    folder = root / "ecgen-radiology"
    folder.mkdir(exist_ok=True)
    text = REPORT.format(uid=uid, findings=findings)
    (folder / (name or f"{uid}.xml")).write_text(text, encoding="utf-8")


def test_a_report_becomes_one_text_with_its_sections(tmp_path):
    write_report(tmp_path, 1005)
    (study,) = read_openi(tmp_path).studies
    assert (study["study_id"], study["patient_id"], study["images"]) == ("1005", "1005", [])
    assert study["report"] == (
        "INDICATION: Cough & fever.\nFINDINGS: Clear lungs.\nIMPRESSION: No edema."
    )


@pytest.mark.parametrize(
    ("sections", "report"),
    [
        ([("FINDINGS", " A.\n\n B. "), ("IMPRESSION", "")], "FINDINGS: A.\n\n B."),
        ([("", "No label.")], "No label."),
        ([("Findings", "A."), ("FINDINGS", "B.")], "FINDINGS: A.\nFINDINGS: B."),
        ([("FINDINGS", " "), ("IMPRESSION", "\n")], None),
        ([], None),
    ],
)
def test_sections_are_joined_in_one_way(sections, report):
    assert compose_report(sections) == report


def test_studies_come_in_the_order_of_their_numbers(tmp_path):
    for uid in (10, 9, 100):
        write_report(tmp_path, uid)
    assert read_openi(tmp_path).studies["study_id"][:] == ["9", "10", "100"]


@pytest.mark.parametrize("folder", ["NLMCXR_png", "images"])
def test_images_are_found_where_they_lie(tmp_path, folder):
    write_report(tmp_path, 7)
    image = tmp_path / folder / "CXR7_IM-0001-2001.png"
    image.parent.mkdir()
    image.write_bytes(b"png")
    (study,) = read_openi(tmp_path).studies
    assert [found["path"] for found in study["images"]] == [str(image)]


def test_images_that_are_missing_or_of_no_report_are_named(tmp_path):
    write_report(tmp_path, 7)
    folder = tmp_path / "NLMCXR_png"
    folder.mkdir()
    for name in ("CXR7_IM-0001-2001.PNG", "CXR8_IM-0008-1001.png", "Thumbs.db"):
        (folder / name).write_bytes(b"png")
    listing = read_openi(tmp_path)
    assert len(listing.studies[0]["images"]) == 1
    assert [str(skip) for skip in listing.skipped] == [
        "CXR7_IM-0001-1001.png: no such image",
        "NLMCXR_png/CXR8_IM-0008-1001.png: of no report",
    ]


def test_the_root_may_be_the_folder_of_reports(tmp_path):
    write_report(tmp_path, 7)
    above, inside = read_openi(tmp_path), read_openi(tmp_path / "ecgen-radiology")
    assert above.content_hash == inside.content_hash


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<eCitation><uId", "not XML that parses: line 1"),
        (b"plain text", "not XML that parses: line 1"),
        (b"<eCitation/>", "not an Open-i report"),
        (b"<eCitation><uId id=''/><AbstractText/></eCitation>", "not an Open-i report"),
        (b"<?xml version='1.0' encoding='none-such'?><eCitation/>", "not XML that parses"),
        (b"\xff\xfe\x00\x00", "not XML that parses"),
        (BOMB.encode(), "refused: declares DTDForbidden"),
        (FILE_ENTITY.encode(), "refused: declares DTDForbidden"),
        (OUTER_DTD.encode(), "refused: declares DTDForbidden"),
    ],
)
def test_a_bad_file_is_left_out_and_the_rest_read(tmp_path, content, reason):
    write_report(tmp_path, 7)
    (tmp_path / "ecgen-radiology" / "8.xml").write_bytes(content)
    listing = read_openi(tmp_path)
    assert listing.studies["study_id"][:] == ["7"]
    assert [skipped.where for skipped in listing.skipped] == ["ecgen-radiology/8.xml"]
    assert reason in listing.skipped[0].reason


def test_a_repeated_study_is_left_out(tmp_path):
    write_report(tmp_path, 7)
    write_report(tmp_path, 7, name="8.xml")
    listing = read_openi(tmp_path)
    assert len(listing.studies) == 1
    assert str(listing.skipped[0]) == "ecgen-radiology/8.xml: has the uId of an earlier file: 7"


def test_nothing_a_reader_says_holds_report_text(tmp_path):
    write_report(tmp_path, 7, findings="unspeakable <b>")
    with pytest.raises(CorpusError) as caught:
        read_openi(tmp_path)
    assert "unspeakable" not in str(caught.value)


@pytest.mark.parametrize("make_folder", [False, True])
def test_a_missing_layout_says_what_was_expected(tmp_path, make_folder):
    if make_folder:
        (tmp_path / "ecgen-radiology").mkdir()
    with pytest.raises(CorpusError, match=r"ecgen-radiology: .*expected Open-i's reports <n>\.xml"):
        read_openi(tmp_path)


def test_the_real_reports_are_read_whole(shared_data):
    root = shared_data / "openi"
    if not root.is_dir():
        pytest.skip("no real data: ../shared/data/openi is not there")
    listing = read_openi(root)
    assert not listing.skipped
    assert len(listing.studies) == len(list((root / "ecgen-radiology").glob("*.xml"))) == 807
    with (root / "gold_findings.csv").open(encoding="utf-8") as file:
        assert {row["uid"] for row in csv.DictReader(file)} == set(listing.studies["study_id"][:])
    reports = [report for report in listing.studies["report"][:] if report]
    assert len(reports) == 800
    section = re.compile(r"(COMPARISON|INDICATION|FINDINGS|IMPRESSION): \S")
    assert all(section.match(report) for report in reports)
