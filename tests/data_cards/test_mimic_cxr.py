"""MIMIC-CXR as PhysioNet lays it out, drawn small: 8 patients, 10 studies, and what is missing."""

from __future__ import annotations

import gzip
import logging
import shutil

import pytest

from data_cards.corpora import find_corpus
from data_cards.mimic_cxr import reader
from data_cards.splits import assign_splits
from data_cards.study import CorpusError

METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,"
    "StudyDate,StudyTime,ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,"
    "PatientOrientationCodeSequence_CodeMeaning"
)
# patient, study, view, meaning of the view code
IMAGES = [
    (10000032, 50414267, "PA", "postero-anterior"),
    (10000032, 50414267, "LATERAL", "lateral"),
    (10000032, 50414268, "", "antero-posterior"),
    (10000764, 57375967, "LL", "left lateral"),
    (11000011, 51000011, "AP", ""),
    (12000012, 51000012, "LAO", ""),
    (13000013, 51000013, "", ""),
    (14000014, 51000014, "AP", ""),
    (15000015, 51000015, "AP", ""),
    (16000016, 51000016, "AP", ""),
]
SPLITS = {11000011: "validate", 12000012: "test"}
CONSENSUS = (14000014, 15000015)


def dicom_of(row: int) -> str:
    return "-".join([f"{row:08x}"] * 5)


def folder_of(patient: int) -> str:
    return f"files/p{str(patient)[:2]}/p{patient}"


def write_mimic(root, *, reports="", images="", packed=True):
    for row, (patient, study, _, _) in enumerate(IMAGES):
        report = root / reports / folder_of(patient) / f"s{study}.txt"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(f"FINAL REPORT\n FINDINGS: study {study}.\n")
        image = root / images / folder_of(patient) / f"s{study}" / f"{dicom_of(row)}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"jpeg")
        (image.parent / "index.html").write_text("")
    metadata = [METADATA] + [
        f"{dicom_of(row)},{p},{s},CHEST (PA AND LAT),{view},9,9,21800506,1.5,CHEST,{mean},Erect"
        for row, (p, s, view, mean) in enumerate(IMAGES)
    ]
    split = ["dicom_id,study_id,subject_id,split"] + [
        f"{dicom_of(row)},{study},{patient},{SPLITS.get(patient, 'train')}"
        for row, (patient, study, _, _) in enumerate(IMAGES)
    ]
    for what, lines in (("metadata", metadata), ("split", split)):
        data = ("\n".join(lines) + "\n").encode()
        file = root / images / f"mimic-cxr-2.0.0-{what}.csv{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(data) if packed else data)
    return root


def write_consensus(root, version=""):
    folder = root / "mimic-cxr-pe-severity" / version
    folder.mkdir(parents=True)
    rows = [f"{patient},51{patient % 10**6:06d},x,2" for patient in CONSENSUS]
    text = "\n".join(["subject_id,study_id,dicom_id,edema_severity", *rows])
    (folder / "consensus_image_edema_severity.csv").write_text(text + "\n")


def split_of(listing):
    studies = listing.studies
    return dict(zip(map(int, studies["patient_id"][:]), studies["split"][:], strict=True))


def test_a_study_has_its_report_images_views_and_day(tmp_path):
    listing = find_corpus("mimic_cxr").read(write_mimic(tmp_path))
    first, second = listing.studies[0], listing.studies[1]
    assert (first["patient_id"], first["study_id"]) == ("10000032", "50414267")
    assert first["report"] == "FINAL REPORT\n FINDINGS: study 50414267.\n"
    assert [image["view"] for image in first["images"]] == ["PA", "LATERAL"]
    lies = tmp_path / "files/p10/p10000032/s50414267" / f"{dicom_of(0)}.jpg"
    assert first["images"][0]["path"] == str(lies)
    assert first["acquired"] == "2180-05-06"
    assert second["images"][0]["view"] == "AP"
    others = [study["images"][0]["view"] for study in listing.studies.select(range(2, 6))]
    assert others == ["LATERAL", "AP", "LAO", None]
    assert listing.skipped == ()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("reports", "images"),
    [("mimic-cxr", "mimic-cxr-jpg"), ("mimic-cxr/2.1.0", "mimic-cxr-jpg/2.1.0"), ("", "")],
)
def test_both_downloads_may_lie_side_by_side(tmp_path, reports, images, packed):
    root = write_mimic(tmp_path, reports=reports, images=images, packed=packed)
    listing = find_corpus("mimic_cxr").read(root)
    assert len(listing.studies) == 9
    assert sum(map(len, listing.studies["images"][:])) == len(IMAGES)
    assert split_of(listing) == {patient: SPLITS.get(patient, "train") for patient, *_ in IMAGES}


@pytest.mark.parametrize("version", ["", "1.0.1"])
def test_consensus_patients_never_train(tmp_path, caplog, version):
    root = write_mimic(tmp_path)
    assert split_of(find_corpus("mimic_cxr").read(root))[CONSENSUS[0]] == "train"
    assert "pe-severity/consensus_image_edema_severity.csv: no such file; the" in caplog.text
    with pytest.raises(CorpusError, match="mimic_cxr_anchors needs the panel's patients"):
        find_corpus("mimic_cxr_anchors").read(root)
    write_consensus(root, version)
    held_out = split_of(find_corpus("mimic_cxr").read(root))
    assert [held_out[patient] for patient in CONSENSUS] == ["test", "test"]
    halved = split_of(find_corpus("mimic_cxr_anchors").read(root))
    assert sorted(halved[patient] for patient in CONSENSUS) == ["test", "validate"]
    official = {patient: split for patient, split in halved.items() if patient not in CONSENSUS}
    assert official == {p: SPLITS.get(p, "train") for p, *_ in IMAGES if p not in CONSENSUS}


def test_every_missing_file_is_named(tmp_path):
    root = write_mimic(tmp_path)
    (root / folder_of(11000011) / "s51000011" / f"{dicom_of(4)}.jpg").rename(
        root / folder_of(11000011) / "s51000011" / "unknown.jpg"
    )
    (root / folder_of(12000012) / "s51000012.txt").unlink()
    (root / folder_of(13000013) / "s51000013.txt").write_bytes(b"\xff\xfe")
    (root / folder_of(14000014) / "s51000014.txt").write_text(" \n")
    (root / folder_of(16000016) / "s51000016.txt").unlink()
    shutil.rmtree(root / folder_of(16000016) / "s51000016")
    listing = find_corpus("mimic_cxr").read(root)
    assert sorted(map(str, listing.skipped)) == [
        f"files/p11/p11000011/s51000011/{dicom_of(4)}.jpg: no such image",
        "files/p11/p11000011/s51000011/unknown.jpg: not in the metadata",
        "files/p12/p12000012/s51000012.txt: no such report",
        "files/p13/p13000013/s51000013.txt: no text: UnicodeDecodeError",
        "files/p14/p14000014/s51000014.txt: empty file",
        "files/p16/p16000016/s51000016.txt: no such report",
        "files/p16/p16000016/s51000016/00000009-00000009-00000009-00000009-00000009.jpg:"
        " no such image",
        "files/p16/p16000016/s51000016: neither a report nor an image",
    ]
    assert len(listing.studies) == 8


def test_an_image_that_is_listed_twice_counts_once(tmp_path):
    root = write_mimic(tmp_path)
    table = root / "mimic-cxr-2.0.0-metadata.csv.gz"
    lines = gzip.decompress(table.read_bytes()).splitlines(keepends=True)
    table.write_bytes(gzip.compress(b"".join([*lines, lines[1]])))
    listing = find_corpus("mimic_cxr").read(root)
    assert [image["view"] for image in listing.studies[0]["images"]] == ["PA", "LATERAL"]
    where = f"files/p10/p10000032/s50414267/{dicom_of(0)}.jpg"
    assert [str(skip) for skip in listing.skipped] == [f"{where}: listed again in its study"]


def test_a_report_of_a_patient_without_images_joins_no_part_twice(tmp_path):
    root = write_mimic(tmp_path)
    (root / folder_of(12000012) / "s59999999.txt").write_text("FINDINGS: Clear.")
    listing = find_corpus("mimic_cxr").read(root)
    added = listing.studies.filter(lambda study: study["study_id"] == "59999999")
    assert (added[0]["split"], added[0]["images"]) == (None, [])
    splits = assign_splits(listing, seed=0)
    assert {s["split"] for s in splits if s["patient_id"] == "12000012"} == {"test"}


def test_a_link_that_leaves_the_root_is_refused(tmp_path):
    root = write_mimic(tmp_path / "root")
    image = root / folder_of(10000032) / "s50414267" / f"{dicom_of(0)}.jpg"
    image.rename(tmp_path / "elsewhere.jpg")
    image.symlink_to(tmp_path / "elsewhere.jpg")
    with pytest.raises(CorpusError, match="outside of the corpus root"):
        find_corpus("mimic_cxr").read(root)


@pytest.mark.parametrize(
    ("table", "text", "expected"),
    [
        ("metadata", None, "expected one mimic-cxr-.-metadata.csv.gz, found none"),
        ("split", None, "expected one mimic-cxr-.-split.csv.gz, found none"),
        ("metadata", "a,b\n", "columns missing: dicom_id"),
        ("split", "dicom_id,study_id,subject_id,split\nx,1,2,dev\n", "1 unknown splits"),
        ("split", "dicom_id,study_id,subject_id,split\nx,s1,Doe,train\n", "no whole number"),
        ("split", "dicom_id,study_id,subject_id,split\nx,1,Doe\n", "not readable as CSV"),
    ],
)
def test_a_table_that_is_not_right_is_named(tmp_path, table, text, expected):
    root = write_mimic(tmp_path)
    file = root / f"mimic-cxr-2.0.0-{table}.csv.gz"
    file.unlink()
    if text is not None:
        file.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(CorpusError, match=expected.replace("-.-", r"-\*-")) as caught:
        find_corpus("mimic_cxr").read(root)
    assert "Doe" not in str(caught.value)


def test_missing_folders_are_named(tmp_path):
    root = write_mimic(tmp_path, reports="mimic-cxr", images="mimic-cxr-jpg")
    shutil.rmtree(root / "mimic-cxr" / "files")
    with pytest.raises(CorpusError, match=r"mimic-cxr/files: no such folder; expected p10/"):
        find_corpus("mimic_cxr").read(root)


def test_counts_of_the_full_set_are_compared_and_not_fatal(tmp_path, caplog, monkeypatch):
    root = write_mimic(tmp_path)
    write_consensus(root)
    find_corpus("mimic_cxr").read(root)
    assert caplog.text == ""
    known = {"images": 10, "studies": 9, "patients": 8, "reports": 227_835}
    monkeypatch.setattr(reader, "KNOWN_COUNTS", {**known, "train": 8, "validate": 1, "test": 1})
    with caplog.at_level(logging.WARNING):
        assert len(find_corpus("mimic_cxr").read(root).studies) == 9
    assert caplog.messages == ["MIMIC-CXR: 9 reports, and 227,835 are published"]


def test_the_consensus_patients_are_counted(tmp_path, caplog, monkeypatch):
    root = write_mimic(tmp_path)
    write_consensus(root)
    monkeypatch.setattr(reader, "KNOWN_CONSENSUS", {"patients": 1})
    find_corpus("mimic_cxr").read(root)
    assert caplog.messages == [f"{reader.CONSENSUS}: 2 patients, and 1 are published"]


def test_reading_changes_nothing(tmp_path):
    root = write_mimic(tmp_path)
    write_consensus(root)
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    find_corpus("mimic_cxr").read(root)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before
