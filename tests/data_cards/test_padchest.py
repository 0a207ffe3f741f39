"""PadChest with its 36 columns, reports with line breaks in them, and what is missing."""

from __future__ import annotations

import gzip

import pytest

from data_cards.padchest import reader
from data_cards.padchest.reader import read_padchest
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files, write_table

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
COLUMNS = (
    ",ImageID,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,"
    "ViewPosition_DICOM,Projection,MethodProjection,Pediatric,Modality_DICOM,Manufacturer_DICOM,"
    "PhotometricInterpretation_DICOM,PixelRepresentation_DICOM,PixelAspectRatio_DICOM,"
    "SpatialResolution_DICOM,BitsStored_DICOM,WindowCenter_DICOM,WindowWidth_DICOM,Rows_DICOM,"
    "Columns_DICOM,XRayTubeCurrent_DICOM,Exposure_DICOM,ExposureInuAs_DICOM,ExposureTime,"
    "RelativeXRayExposure_DICOM,ReportID,Report,MethodLabel,Labels,Localizations,"
    "LabelsLocalizationsBySentence,labelCUIS,LocalizationsCUIS"
)


def make_row(image, folder="0", **values):
    usual = {
        **{"ImageID": image, "ImageDir": folder, "StudyDate_DICOM": "20140915", "StudyID": "s1"},
        **{"PatientID": "p1", "PatientBirth": "1940.0", "PatientSex_DICOM": "F"},
        **{"Projection": "PA", "Report": "cardiomegali .\n derram pleural .\n"},
        **{"Labels": "['cardiomegaly', ' pleural effusion']", "MethodLabel": "Physician"},
    }
    return {**usual, **values}


ROWS = [
    make_row("a.png"),
    make_row("c.png", "1", StudyID="s2", PatientID="p2", PatientSex_DICOM="O", PatientBirth=""),
    make_row("b.png", "54", Projection="L"),
    make_row("d.png", "1", StudyID="s3", PatientID="p2", Projection="AP_horizontal", Report=""),
]


def write_padchest(root, *, flat=False, top="", rows=None):
    rows = ROWS if rows is None else rows
    write_table(root / TABLE, rows, COLUMNS)
    for row in rows:
        write_files(root / top, row["ImageID"] if flat else f"{row['ImageDir']}/{row['ImageID']}")
    return root


@pytest.mark.parametrize(
    ("flat", "top"), [(False, ""), (True, ""), (False, "images"), (True, "images")]
)
def test_a_study_has_its_report_views_and_age(tmp_path, caplog, flat, top):
    listing = read_padchest(write_padchest(tmp_path, flat=flat, top=top))
    first, second, third = listing.studies
    assert [image["view"] for image in first["images"]] == ["PA", "LATERAL"]
    assert first["report"] == "cardiomegali .\n derram pleural .\n"
    assert (first["patient_id"], first["sex"], first["age"]) == ("p1", "F", 74.0)
    assert first["acquired"] == "2014-09-15"
    assert (second["sex"], second["age"]) == (None, None)
    assert (third["images"][0]["view"], third["report"], third["split"]) == ("AP", None, None)
    assert listing.skipped == ()
    assert caplog.messages == [
        "PadChest: the reports are Spanish, and the labeler reads English alone"
    ]


def test_what_is_left_out_is_named(tmp_path):
    more = [
        make_row("e.png", Projection="EXCLUDE"),
        make_row("f.png", StudyID=""),
        make_row("g.png", PatientID=" "),
    ]
    root = write_padchest(tmp_path, rows=[*ROWS, *more])
    (root / "54/b.png").unlink()
    listing = read_padchest(root)
    assert [str(skip) for skip in listing.skipped] == [
        "b.png: no such image",
        "e.png: projection EXCLUDE",
        "f.png: no StudyID or PatientID",
        "g.png: no StudyID or PatientID",
    ]
    assert len(listing.studies) == 3


def test_an_image_outside_of_the_root_is_refused(tmp_path):
    write_files(tmp_path, "elsewhere.png")
    root = tmp_path / "root"
    write_table(root / TABLE, [make_row("elsewhere.png", "..")], COLUMNS)
    with pytest.raises(CorpusError, match="names no file below the corpus root"):
        read_padchest(root)


def test_an_image_of_another_patient_than_its_study_is_left_out(tmp_path):
    rows = [make_row("a.png", PatientID="p8"), make_row("b.png", PatientID="p9")]
    listing = read_padchest(write_padchest(tmp_path, rows=rows))
    assert [str(skip) for skip in listing.skipped] == [
        "0/b.png: of another patient or split than its study"
    ]
    assert [study["patient_id"] for study in listing.studies] == ["p8"]
    assert len(listing.studies[0]["images"]) == 1


def test_the_table_may_be_packed_as_it_is_downloaded(tmp_path):
    root = write_padchest(tmp_path)
    studies = read_padchest(root).studies.to_list()
    packed = root / f"{TABLE}.gz"
    packed.write_bytes(gzip.compress((root / TABLE).read_bytes()))
    assert read_padchest(root).studies.to_list() == studies, "both: the table that is unpacked"
    (root / TABLE).unlink()
    assert read_padchest(root).studies.to_list() == studies


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"expected one PADCHEST_chest_x_ray.*, found 0"):
        read_padchest(tmp_path)


def test_counts_of_the_full_set_are_compared(tmp_path, caplog, monkeypatch):
    root = write_padchest(tmp_path)
    monkeypatch.setattr(reader, "KNOWN_COUNTS", {"images": 5, "studies": 3, "patients": 2})
    read_padchest(root)
    assert caplog.messages[0] == "PadChest: 4 images, and 5 are published"


def test_reading_changes_nothing(tmp_path):
    root = write_padchest(tmp_path)
    before = hash_tree(root)
    read_padchest(root)
    assert hash_tree(root) == before
