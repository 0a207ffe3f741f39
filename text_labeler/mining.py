"""Labels the reports of a whole corpus: in parallel, resumable, the same bytes every time."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from tqdm import tqdm

from configs.files import write_atomically
from data_cards.findings import FINDINGS
from data_cards.label_table import LabelTableManifest, make_schema, write_manifest
from data_cards.lineage import Parent, describe_listing, relative_path
from data_cards.study import Listing
from text_labeler.engine import Engine
from text_labeler.engines import Processes
from text_labeler.label_parts import (
    describe_labeler,
    label_chunk,
    read_part,
    write_label_batches,
    write_stream,
)
from text_labeler.labeler import LABELED_CHARACTERS
from text_labeler.labelers import KerleyLabeler, LabelerSettings, make_labeler
from text_labeler.rulebook import RULES_FOLDER

CHUNK_REPORTS = 2000
CHUNK_BYTES = 4 << 20
"""A chunk holds so many reports or bytes of text at most, or one longer report."""

COLUMNS = ["study_id", "report"]
MEASURED_AT_ONCE = 10_000


def mine(
    listing: Listing, out: Path, *, profile: str = "chexpert", workers: int = 1
) -> LabelTableManifest:
    """Label a corpus by Kerley's rules in processes of this machine; as `mine_corpus`."""
    with Processes(workers) as engine:
        return mine_corpus(listing, out, KerleyLabeler(profile=profile), engine)


def mine_corpus(
    listing: Listing, out: Path, labeler: LabelerSettings, engine: Engine
) -> LabelTableManifest:
    """Label every study of `listing` and write the label table `out` with its manifest.

    The table's bytes depend on the listing and the labeler alone, whatever the engine. Finished
    parts are kept beside `out` and taken up again after an interruption or a kill. A study
    without a report keeps its row, empty, and is named in the manifest, as is a report of which
    only the first LABELED_CHARACTERS were read. In memory are a few chunks, a row group, and the
    study ids. Raises EngineError when the workers cannot go on.
    """
    began = time.monotonic()
    reader = make_labeler(labeler)
    described = describe_labeler(labeler, reader)
    reports = listing.studies.select_columns(COLUMNS).with_format("arrow")
    parts = Parts(out.with_name(f".{out.name}.parts"), reports, described)
    with ThreadPoolExecutor(1) as aside:
        # While others label: it takes a tenth of the time that one process needs for that.
        corpus_hash = aside.submit(lambda: listing.content_hash)
        # In the folder of parts, which a later run sweeps away: a kill leaves nothing beside it.
        joined = write_label_batches(
            parts.folder / "table",
            parts.label(engine, (labeler, described)),
            make_schema([name for name in reader.findings if name not in FINDINGS]),
        )
        listing_hash = corpus_hash.result()
    (parts.folder / "table").replace(out)
    manifest = LabelTableManifest(
        labeler=labeler.kind,
        labeler_version=version("kerley"),
        profile=labeler.profile if isinstance(labeler, KerleyLabeler) else "",
        rules_hash=reader.rules_hash,
        corpus=listing.corpus,
        corpus_hash=listing_hash,
        table_hash=joined.table_hash,
        studies=joined.studies,
        counts=joined.counts,
        skipped=[{"where": skip.where, "reason": skip.reason} for skip in listing.skipped]
        + list(parts.list_unread()),
        seconds=round(time.monotonic() - began, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parents=_name_parents(listing, labeler, reader.rules_hash, out),
    )
    write_manifest(out, manifest)
    shutil.rmtree(parts.folder)
    return manifest


def _name_parents(
    listing: Listing, labeler: LabelerSettings, rules_hash: str, out: Path
) -> list[Parent]:
    own_rules = None
    if isinstance(labeler, KerleyLabeler) and labeler.rules != RULES_FOLDER:
        own_rules = relative_path(labeler.rules, out)
    return [
        describe_listing(listing, out),
        Parent(kind="rules", name=labeler.kind, hash=rules_hash, path=own_rules),
    ]


Span = tuple[int, int]
"""A chunk: its first row and the one behind its last."""


def _plan_chunks(reports: Dataset) -> list[Span]:
    starts, size = [0], 0
    for row, length in enumerate(_measure(reports)):
        is_full = row - starts[-1] == CHUNK_REPORTS or size + length > CHUNK_BYTES
        if is_full and row > starts[-1]:
            starts.append(row)
            size = 0
        size += length
    return list(pairwise((*starts, len(reports))))


def _measure(reports: Dataset) -> Iterator[int]:
    """Count the bytes of each report."""
    for start in range(0, len(reports), MEASURED_AT_ONCE):
        column = reports[start : start + MEASURED_AT_ONCE]["report"]
        yield from pc.fill_null(pc.binary_length(column), 0).to_pylist()


class Parts:
    """The parts of a label table in a folder, one file for each chunk, written whole or not.

    A part is named by the hash of its reports and its labeler, so that it is taken up again for
    those and for no others.
    """

    def __init__(self, folder: Path, reports: Dataset, described: str) -> None:
        self.folder = folder
        self._reports = reports
        self._described = described
        self._chunks = _plan_chunks(reports)
        self._files: dict[int, Path] = {}

    def label(self, engine: Engine, labeler: tuple[LabelerSettings, str]) -> Iterator[pa.Table]:
        """Label the chunks whose part is not there; give the parts in order, as soon as may be."""
        following = 0
        with tqdm(total=len(self._reports), unit=" reports", desc="mine", mininterval=0.5) as bar:
            work = self._find_missing(bar)
            for number, part in engine.run(label_chunk, work, labeler):
                with write_atomically(self._files[number]) as temporary:
                    temporary.write_bytes(part)
                bar.update(self._size(number))
                while self._is_there(following):
                    yield read_part(self._files[following])
                    following += 1
        for number in range(following, len(self._chunks)):
            yield read_part(self._files[number])

    def list_unread(self) -> Iterator[dict[str, str]]:
        """Name the studies of which nothing, or not all, was read, and say why."""
        for chunk in self._chunks:
            table = _read_chunk(self._reports, chunk)
            report = table["report"]
            said = pc.utf8_length(pc.utf8_trim_whitespace(report))
            lengths = pc.utf8_length(report)
            is_unread = pc.or_kleene(pc.equal(said, 0), pc.greater(lengths, LABELED_CHARACTERS))
            for row in pc.indices_nonzero(pc.fill_null(is_unread, True)).to_pylist():
                where, length = table["study_id"][row].as_py(), lengths[row].as_py()
                yield {"where": where, "reason": _say_why(length)}

    def _find_missing(self, bar: tqdm[Any]) -> Iterator[tuple[int, bytes]]:
        for number, chunk in enumerate(self._chunks):
            encoded = write_stream(_read_chunk(self._reports, chunk))
            name = hashlib.sha256(self._described.encode() + encoded).hexdigest()
            self._files[number] = self.folder / f"{name[:32]}.arrows"
            if self._is_there(number):
                bar.update(self._size(number))
            else:
                yield number, encoded

    def _is_there(self, number: int) -> bool:
        return number in self._files and self._files[number].is_file()

    def _size(self, number: int) -> int:
        start, end = self._chunks[number]
        return end - start


def _read_chunk(reports: Dataset, chunk: Span) -> pa.Table:
    return reports[chunk[0] : chunk[1]]


def _say_why(length: int | None) -> str:
    if length is None:
        return "no report"
    if length > LABELED_CHARACTERS:
        return f"{length} characters: only the first {LABELED_CHARACTERS} were read"
    return "empty report"
