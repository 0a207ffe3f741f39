"""Puts studies into a Dataset as they come: in memory, or in a file when they are many."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, DatasetInfo, Features
from datasets.table import InMemoryTable

BATCH_STUDIES = 5000
MEMORY_BYTES = 64 << 20
"""Larger corpora lie in a temporary file, of which memory holds what is read."""


def collect_studies(rows: Iterable[Mapping[str, Any]], features: Features) -> Dataset:
    """Return rows as a Dataset; memory stays flat when `rows` are made as they are asked for.

    The file of a large corpus is for this user's eyes only. It has no name any more when this
    returns, so that no kill leaves reports behind; such a Dataset cannot be pickled.
    """
    schema = features.arrow_schema
    batches = _make_batches(rows, schema)
    held: list[pa.Table] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size > MEMORY_BYTES:
            return _map_file(chain(held, batches), features)
    table = pa.concat_tables(held) if held else schema.empty_table()
    return Dataset(InMemoryTable(table), info=DatasetInfo(features=features))


def _make_batches(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> Iterator[pa.Table]:
    ahead = iter(rows)
    while batch := list(islice(ahead, BATCH_STUDIES)):
        arrays = [pa.array([row[field.name] for row in batch], field.type) for field in schema]
        yield pa.Table.from_arrays(arrays, schema=schema)


def _map_file(batches: Iterable[pa.Table], features: Features) -> Dataset:
    handle, name = tempfile.mkstemp(prefix="kerley-studies-", suffix=".arrow")
    try:
        with (
            os.fdopen(handle, "wb") as file,
            pa.ipc.new_stream(file, features.arrow_schema) as writer,
        ):
            for batch in batches:
                writer.write_table(batch)
        return Dataset.from_file(name, info=DatasetInfo(features=features))
    finally:
        Path(name).unlink()
