from __future__ import annotations

import pytest

from data_cards.corpora import read_source
from data_cards.report_folder import read_report_folder
from data_cards.study import CorpusError


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_folder_of_reports_is_a_source(tmp_path):
    write(tmp_path, b_txt="Edema: none.\r\n", ward__a_txt="Clear.", ward__notes="not a report")
    listing = read_source(str(tmp_path))
    assert listing.corpus == "report_folder"
    assert listing.studies["study_id"][:] == ["b", "ward/a"]
    assert listing.studies["patient_id"][:] == ["b", "ward/a"]
    assert listing.studies["report"][:] == ["Edema: none.\r\n", "Clear."]
    assert listing.skipped == ()


def test_the_paths_of_mimic_cxr_name_patient_and_study(tmp_path):
    write(
        tmp_path,
        files__p10__p10000032__s50414267_txt="FINDINGS: Clear.",
        files__p10__p10000032__s53189527_txt="Edema.",
        files__p11__p11000011__s51029426_txt="Effusion.",
    )
    studies = read_report_folder(tmp_path).studies
    assert studies["study_id"][:] == ["50414267", "53189527", "51029426"]
    assert studies["patient_id"][:] == ["10000032", "10000032", "11000011"]


def test_what_cannot_be_read_is_listed_and_the_rest_is_kept(tmp_path):
    write(
        tmp_path,
        a_txt="",
        b_txt=" \n",
        c_txt=b"edema \x81\x8d",
        d_txt="ede\0ma",
        p1__s7_txt="Clear.",
        x__p1__s7_txt="Clear.",
        z_txt="\ufeffClear – really.",
        latin_txt=b"\xd6dem",
    )
    listing = read_report_folder(tmp_path)
    assert listing.studies["study_id"][:] == ["latin", "7", "z"]
    assert listing.studies["report"][:] == ["Ödem", "Clear.", "Clear – really."]
    assert [str(skip) for skip in listing.skipped] == [
        "a.txt: empty file",
        "b.txt: empty file",
        "c.txt: line 1: the bytes are neither UTF-8 nor Windows-1252 text",
        "d.txt: holds a NUL character; expected text",
        "x/p1/s7.txt: has the study id of an earlier file: 7",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [({}, r"holds no \.txt file"), ({"a_txt": ""}, "1 left out, first a.txt: empty file")],
)
def test_a_folder_without_reports_is_refused(tmp_path, files, expected):
    write(tmp_path, **files)
    with pytest.raises(CorpusError, match=expected):
        read_source(str(tmp_path))
