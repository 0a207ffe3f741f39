"""Label tables as the CSV files of CheXpert and MIMIC-CXR, for tools that read those."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from configs.files import write_atomically
from data_cards.findings import CHEXPERT_OBSERVATIONS
from data_cards.label_table import read_label_table
from data_cards.study import Listing

FORMATS = ("table", "chexpert", "mimic")


class LabelFormatError(ValueError):
    """A format that Kerley does not write."""


def write_label_csv(table: Path, out: Path, layout: str, listing: Listing) -> None:
    """Write a label table's 14 observations as CSV: 1.0, 0.0, -1.0 or nothing.

    layout `chexpert`: `study_id`, then the observations in the order of CheXpert's files (report
    text is not written); `mimic`: `subject_id`, `study_id`, then alphabetically, as in
    `mimic-cxr-2.0.0-chexpert.csv`.
    """
    frame = read_label_table(table)
    columns = {"chexpert": CHEXPERT_OBSERVATIONS, "mimic": tuple(sorted(CHEXPERT_OBSERVATIONS))}
    if layout not in columns:
        raise LabelFormatError(f"{layout!r}: no such format; expected one of {', '.join(FORMATS)}")
    labels = frame[["study_id", *columns[layout]]].copy()
    for column in columns[layout]:
        labels[column] = labels[column].astype("Float64")
    if layout == "mimic":
        labels.insert(0, "subject_id", labels["study_id"].map(_patients(listing)))
    with write_atomically(out) as temporary:
        labels.to_csv(temporary, index=False)


def _patients(listing: Listing) -> Mapping[str, str]:
    columns = listing.studies.select_columns(["study_id", "patient_id"])[:]
    return dict(zip(columns["study_id"], columns["patient_id"], strict=True))
