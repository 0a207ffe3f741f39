"""Which corpora Kerley reads: name, reader, and card, found without importing any reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from data_cards.study import CorpusError, Listing


@dataclass(frozen=True)
class Corpus:
    """A corpus that Kerley can read; `reader` is `module:function`, root → Listing."""

    name: str
    summary: str
    reader: str

    @property
    def card(self) -> Path:
        """The corpus card, in the Hub's dataset-card form."""
        return Path(__file__).parent / self.name / "README.md"

    def read(self, root: Path) -> Listing:
        """List the studies under `root`; raises CorpusError when the layout is not there."""
        if not root.is_dir():
            raise CorpusError(f"{root}: the root of corpus {self.name!r} is not a folder")
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
    )
}


def find_corpus(name: str) -> Corpus:
    """Return the corpus of that name; raises CorpusError listing the known ones."""
    if name not in CORPORA:
        raise CorpusError(f"{name!r}: no such corpus. Known: {', '.join(CORPORA)}")
    return CORPORA[name]


def read_source(source: str, root: Path | None = None) -> Listing:
    """List the studies of a corpus name with its `root`, or of a table of reports.

    Raises CorpusError when `source` is neither, or when a corpus comes without a root.
    """
    from data_cards.report_table import TABLE_ENDINGS, read_report_table

    if source in CORPORA:
        if root is None:
            raise CorpusError(f"corpus {source!r}: needs the folder that holds it (--root DIR)")
        return CORPORA[source].read(root)
    if Path(source).suffix.lower() not in TABLE_ENDINGS:
        raise CorpusError(
            f"{source!r}: neither a corpus ({', '.join(CORPORA)})"
            f" nor a table of reports ({', '.join(TABLE_ENDINGS)})"
        )
    return read_report_table(Path(source))
