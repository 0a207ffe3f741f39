"""Which corpora Kerley reads: name, reader, and card, found without importing any reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.study import CorpusError, Listing

if TYPE_CHECKING:
    from data_cards.report_table.reader import ReportColumns


@dataclass(frozen=True)
class Corpus:
    """A corpus that Kerley can read; `reader` is `module:function`, root → Listing.

    Its root is a folder, or a file where `is_file` says so. folder: where its card lies, "" for
    one of its own name. labels: `module:TABLES` of the labels that it comes with, "" for none
    (`data_cards/published_labels.py`).
    """

    name: str
    summary: str
    reader: str
    is_file: bool = False
    folder: str = ""
    labels: str = ""

    @property
    def card(self) -> Path:
        """The corpus card, in the Hub's dataset-card form."""
        return Path(__file__).parent / (self.folder or self.name) / "README.md"

    def read(self, root: Path) -> Listing:
        """List the studies under `root`; raises CorpusError when the layout is not there."""
        if not (root.is_file() if self.is_file else root.is_dir()):
            expected = "file" if self.is_file else "folder"
            raise CorpusError(f"{root}: the root of corpus {self.name!r} is not a {expected}")
        module, _, function = self.reader.partition(":")
        read: Callable[[Path], Listing] = getattr(import_module(module), function)
        return read(root)


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            "phantom",
            "drawn X-rays with written reports and a known truth",
            "data_cards.phantom.reader:read_phantom",
        ),
        Corpus(
            "phantom_masks",
            "the same images with their drawn lung masks, to teach segmentation",
            "data_cards.phantom.masks:read_phantom_masks",
            folder="phantom",
        ),
        Corpus(
            "openi",
            "Indiana University chest X-ray reports (Open-i)",
            "data_cards.openi.reader:read_openi",
        ),
        Corpus(
            "covid_chestxray",
            "covid-chestxray-dataset: X-rays with free-text notes",
            "data_cards.covid_chestxray.reader:read_covid_chestxray",
        ),
        Corpus(
            "image_folder",
            "any folder of images, classes by sub-folder",
            "data_cards.image_folder.reader:read_image_folder",
        ),
        Corpus(
            "chexpert",
            "CheXpert and CheXpert-small, with CheXlocalize's test set",
            "data_cards.chexpert.reader:read_chexpert",
            labels="data_cards.chexpert.labels:TABLES",
        ),
        Corpus(
            "chexpert_plus",
            "CheXpert Plus: the reports of CheXpert's studies",
            "data_cards.chexpert_plus.reader:read_chexpert_plus",
            labels="data_cards.chexpert_plus.labels:TABLES",
        ),
        Corpus(
            "padchest",
            "PadChest: Spanish reports and 16-bit images",
            "data_cards.padchest.reader:read_padchest",
            labels="data_cards.padchest.labels:TABLES",
        ),
        Corpus(
            "nih_chestxray14",
            "NIH ChestX-ray14, with its official split",
            "data_cards.nih_chestxray14.reader:read_nih_chestxray14",
            labels="data_cards.nih_chestxray14.labels:TABLES",
        ),
        Corpus(
            "mimic_cxr",
            "MIMIC-CXR reports and MIMIC-CXR-JPG images, consensus patients in test",
            "data_cards.mimic_cxr.reader:read_mimic_cxr",
            labels="data_cards.mimic_cxr.labels:TABLES",
        ),
        Corpus(
            "mimic_cxr_anchors",
            "the same, with half of the consensus patients in validation to recalibrate on",
            "data_cards.mimic_cxr.reader:read_mimic_cxr_anchors",
            folder="mimic_cxr",
        ),
        Corpus(
            "covid_qu_ex",
            "COVID-QU-Ex: COVID-19, other infection, normal, with lung masks",
            "data_cards.covid_qu_ex.reader:read_covid_qu_ex",
        ),
        Corpus(
            "covid_qu_ex_infection",
            "the infection part of COVID-QU-Ex, with infection masks",
            "data_cards.covid_qu_ex.reader:read_covid_qu_ex_infection",
            folder="covid_qu_ex",
        ),
        Corpus(
            "radiography",
            "COVID-19 Radiography Database: four classes, lung masks, sources",
            "data_cards.radiography.reader:read_radiography",
        ),
        Corpus(
            "kermany",
            "Kermany's chest X-rays of children: bacterial, viral, normal",
            "data_cards.kermany.reader:read_kermany",
        ),
        Corpus(
            "montgomery",
            "Montgomery's chest X-rays: tuberculosis or not, left and right lung masks",
            "data_cards.montgomery_shenzhen.reader:read_montgomery",
            folder="montgomery_shenzhen",
        ),
        Corpus(
            "shenzhen",
            "Shenzhen's chest X-rays: tuberculosis or not, lung masks of most",
            "data_cards.montgomery_shenzhen.reader:read_shenzhen",
            folder="montgomery_shenzhen",
        ),
        Corpus(
            "image_masks",
            "any folder with images/ and masks/ of equal names",
            "data_cards.image_masks.reader:read_image_masks",
        ),
        Corpus(
            "report_table",
            "your own table of reports and image paths (CSV, JSONL, Parquet)",
            "data_cards.report_table.reader:read_report_table",
            is_file=True,
        ),
    )
}


def find_corpus(name: str) -> Corpus:
    """Return the corpus of that name; raises CorpusError listing the known ones."""
    if name not in CORPORA:
        raise CorpusError(f"{name!r}: no such corpus. Known: {', '.join(CORPORA)}")
    return CORPORA[name]


def read_source(
    source: str, root: Path | None = None, *, columns: ReportColumns | None = None
) -> Listing:
    """List the studies of a corpus with its `root`, or of reports that a user brings.

    These are a table (CSV, JSONL, Parquet), a folder of text files, or `hub:owner/name`; tables
    and the Hub may call their `columns` otherwise. Raises CorpusError when `source` is none of
    these, when a corpus comes without a root, or when columns are named that are none.
    """
    from data_cards.hub_reports import HUB_PREFIX, read_hub_reports
    from data_cards.report_folder import read_report_folder
    from data_cards.report_table.reader import TABLE_ENDINGS, USUAL_COLUMNS, read_report_table

    if source.startswith(HUB_PREFIX):
        return read_hub_reports(source, columns or USUAL_COLUMNS)
    if source not in CORPORA and Path(source).suffix.lower() in TABLE_ENDINGS:
        return read_report_table(Path(source), columns or USUAL_COLUMNS)
    if columns is not None:
        raise CorpusError(f"{source!r}: has no columns that could be named; a table has")
    if source in CORPORA:
        if root is None:
            raise CorpusError(f"corpus {source!r}: needs the folder that holds it (--root DIR)")
        return CORPORA[source].read(root)
    if Path(source).is_dir():
        return read_report_folder(Path(source))
    raise CorpusError(
        f"{source!r}: neither a corpus ({', '.join(CORPORA)}), nor a table of reports"
        f" ({', '.join(TABLE_ENDINGS)}), nor a folder of text files, nor hub:owner/name"
    )
