"""Label tables as the CSV files of chexpert-labeler and MIMIC-CXR, for tools that read those."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from configs.files import write_atomically
from data_cards.findings import CHEXPERT_OBSERVATIONS
from data_cards.study import Listing

FORMATS = ("table", "chexpert", "mimic")

CHEXPERT_LABELER_ORDER = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Lesion", "Lung Opacity"),
    *("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion"),
    *("Pleural Other", "Fracture", "Support Devices"),
)
"""As chexpert-labeler writes them (`CATEGORIES` in its constants.py); CheXpert's files have
Lung Opacity before Lung Lesion."""

MIMIC_ID = re.compile(r"[ps](\d+)")
"""Patients and studies in MIMIC-CXR's paths; its tables hold the number alone."""


class LabelFormatError(ValueError):
    """A format that Kerley does not write, or a listing of other studies than the table's."""


def write_label_csv(table: Path, out: Path, layout: str, listing: Listing) -> None:
    """Write a label table's 14 observations as CSV: 1.0, 0.0, -1.0 or nothing, row by row.

    layout `chexpert`: `Reports` with the text of the report, then the observations, as
    chexpert-labeler's output; so the file holds report text, and must stay where reports may be.
    `mimic`: `subject_id`, `study_id`, then the observations alphabetically, as
    `mimic-cxr-2.0.0-chexpert.csv`; `p10000032` and `s50414267` become plain numbers.
    Raises LabelFormatError for another layout, and when the table is not of this listing.
    """
    layouts = {
        "chexpert": (("Reports",), CHEXPERT_LABELER_ORDER),
        "mimic": (("subject_id", "study_id"), tuple(sorted(CHEXPERT_OBSERVATIONS))),
    }
    if layout not in layouts:
        raise LabelFormatError(f"{layout!r}: no such format; expected one of {', '.join(FORMATS)}")
    lead, observations = layouts[layout]
    with (
        write_atomically(out) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(",".join((*lead, *observations)) + "\n")
        for codes, studies in _pair(table, observations, listing):
            first = [[_LEADS[name](study) for name in lead] for study in studies]
            for names, values in zip(first, codes, strict=True):
                file.write(
                    ",".join((*map(_quote, names), *map(_VALUES.__getitem__, values))) + "\n"
                )


_VALUES = {1: "1.0", 0: "0.0", -1: "-1.0", None: ""}


def _pair(
    table: Path, observations: Sequence[str], listing: Listing
) -> Iterator[tuple[list[tuple[int | None, ...]], list[dict[str, str | None]]]]:
    """Give codes and their studies, some thousand rows at a time."""
    columns = ["study_id", "patient_id", "report"]
    reports = listing.studies.select_columns(columns).with_format("arrow")
    start = 0
    with pq.ParquetFile(table) as file:
        for batch in file.iter_batches(4096, columns=["study_id", *observations]):
            studies = reports[start : start + batch.num_rows].to_pylist()
            ids = batch["study_id"].to_pylist()
            if ids != [study["study_id"] for study in studies]:
                raise LabelFormatError(f"{table}: not of these studies; mine the corpus again")
            yield (
                list(zip(*(batch[name].to_pylist() for name in observations), strict=True)),
                studies,
            )
            start += batch.num_rows


_LEADS: dict[str, Callable[[dict[str, str | None]], str]] = {
    "Reports": lambda study: study["report"] or "",
    "subject_id": lambda study: _strip_letter(study["patient_id"] or ""),
    "study_id": lambda study: _strip_letter(study["study_id"] or ""),
}


def _quote(text: str) -> str:
    """As pandas writes it, but for a lone carriage return, which it leaves to break the row."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _strip_letter(name: str) -> str:
    in_mimic = MIMIC_ID.fullmatch(name)
    return in_mimic[1] if in_mimic else name
