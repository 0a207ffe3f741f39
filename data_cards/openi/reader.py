"""Reads the Indiana University reports of Open-i, as the `NLMCXR_reports` archive lays them out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse as parse_xml

from data_cards.known_counts import report_counts
from data_cards.openi.kaggle import REPORTS, read_kaggle
from data_cards.openi.sections import compose_report
from data_cards.study import CorpusError, Listing, Skipped, Study, StudyImage, list_studies

REPORT_FOLDER = "ecgen-radiology"
IMAGE_FOLDERS = ("NLMCXR_png", "images")
IMAGE_ENDING = ".png"
UID_PREFIX = "CXR"
KNOWN_COUNTS = {"reports": 3_955, "images": 7_470}


def read_openi(root: Path) -> Listing:
    """List the studies under `root`, which holds `ecgen-radiology/<n>.xml` or is that folder.

    Study ids are the plain number of `uId` (`CXR1005` → `1005`), as the gold tables have them.
    The report is made by `compose_report`. Images are listed where `NLMCXR_png/<id>.png` or
    `images/<id>.png` lies under `root`; without them the corpus is reports only.
    Files that cannot be read are left out and listed, and where there are images, so are those
    that a report names and that are not there, and those that no report names. Raises CorpusError
    when the layout is not there or holds no readable report. With `indiana_reports.csv` under
    `root` the Kaggle copy is read instead.
    """
    if (root / REPORTS).is_file():
        return read_kaggle(root)
    folder = root if root.name == REPORT_FOLDER else root / REPORT_FOLDER
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder; expected Open-i's reports <n>.xml there")
    files = sorted(folder.glob("*.xml"), key=lambda file: (len(file.stem), file.stem))
    if not files:
        raise CorpusError(f"{folder}: holds no .xml file; expected Open-i's reports <n>.xml")
    images = dict(_find_images(root))
    unclaimed = dict(images)
    studies: dict[str, Study] = {}
    skipped: list[Skipped] = []
    for file in files:
        where = file.relative_to(root).as_posix()
        try:
            study = _read_study(file, images, skipped)
        except _UnreadableReport as error:
            skipped.append(Skipped(where, str(error)))
            continue
        if study["study_id"] in studies:
            skipped.append(Skipped(where, f"has the uId of an earlier file: {study['study_id']}"))
            continue
        studies[study["study_id"]] = study
        for image in study["images"]:
            unclaimed.pop(Path(image["path"]).stem, None)
    skipped += [
        Skipped(image.relative_to(root).as_posix(), "of no report") for image in unclaimed.values()
    ]
    counts = {"reports": len(files), **({"images": len(images)} if images else {})}
    report_counts("Open-i", counts, KNOWN_COUNTS)
    return list_studies("openi", root, studies.values(), skipped)


class _UnreadableReport(ValueError):
    """Why one file is left out."""


def _read_study(file: Path, images: dict[str, Path], skipped: list[Skipped]) -> Study:
    record = _parse(file)
    uid_element = record.find("uId")
    uid = "" if uid_element is None else uid_element.get("id", "").removeprefix(UID_PREFIX).strip()
    texts = list(record.iter("AbstractText"))
    if not uid or not texts:
        raise _UnreadableReport("not an Open-i report: expected uId and AbstractText")
    sections = [(text.get("Label", ""), "".join(text.itertext())) for text in texts]
    names = [image.get("id", "") for image in record.iter("parentImage")]
    found: list[StudyImage] = [{"path": str(images[name])} for name in names if name in images]
    if images:
        missing = [name for name in names if name not in images]
        skipped += [Skipped(f"{name}{IMAGE_ENDING}", "no such image") for name in missing]
    return {
        "corpus": "openi",
        "study_id": uid,
        "patient_id": uid,  # the collection holds one report of each patient
        "images": found,
        "report": compose_report(sections),
    }


def _parse(file: Path) -> Any:
    if file.stat().st_size == 0:
        raise _UnreadableReport("empty file")
    try:
        return parse_xml(file, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise _UnreadableReport(f"refused: declares {type(error).__name__}") from None
    except ParseError as error:
        line, column = error.position
        raise _UnreadableReport(f"not XML that parses: line {line}, column {column}") from None
    except (ValueError, LookupError):
        raise _UnreadableReport("not XML that parses: unknown text encoding") from None
    except OSError as error:
        raise _UnreadableReport(f"cannot be read: {error.strerror}") from None


def _find_images(root: Path) -> Iterator[tuple[str, Path]]:
    for name in IMAGE_FOLDERS:
        if (root / name).is_dir():
            for file in sorted((root / name).iterdir()):
                if file.suffix.lower() == IMAGE_ENDING:
                    yield file.stem, file
