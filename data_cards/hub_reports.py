"""Reads the reports of a dataset on the Hugging Face Hub, or of a folder in its layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, load_dataset, load_from_disk
from datasets.exceptions import DatasetsError

from data_cards.csv_rows import check_columns
from data_cards.report_table.reader import (
    USUAL_COLUMNS,
    ReportColumns,
    Rows,
    Table,
    keep_known,
    list_table,
)
from data_cards.study import SPLITS, CorpusError, Listing

HUB_PREFIX = "hub:"
ROWS_AT_ONCE = 1000
SPLIT_NAMES = {"validation": "validate", "valid": "validate", "val": "validate"}
"""What the Hub calls the split `validate`."""


def read_hub_reports(source: str, columns: ReportColumns = USUAL_COLUMNS) -> Listing:
    """List the studies of `hub:owner/name`, `hub:owner/name:config` or `hub:…:config:split`.

    The name may be a local folder: one that the Hub could hold, or of `save_to_disk`. Without a
    split all are read; the name of a split becomes the study's where it is one of ours. The data
    lie in the cache of `datasets`, and not in memory. Images are not read. Raises CorpusError for
    what cannot be loaded, and as `read_report_table`.
    """
    name, config, split = _parse(source)
    tables = _load(source, name, config)
    if split is not None and split not in tables:
        raise CorpusError(f"{source}: no split {split!r}; there are {', '.join(tables)}")
    if split is not None:
        tables = {split: tables[split]}
    return list_table(
        Table(source, partial(_read_rows, source, tables, columns), columns), source, Path()
    )


def _parse(source: str) -> tuple[str, str | None, str | None]:
    name, *more = source.removeprefix(HUB_PREFIX).split(":")
    if not name or len(more) > 2:
        raise CorpusError(f"{source!r}: expected hub:owner/name, and then :config and :split")
    config, split = [*(part or None for part in more), None, None][:2]
    return name, config, split


def _load(source: str, name: str, config: str | None) -> Mapping[str, Dataset]:
    saved = [Path(name) / file for file in ("dataset_dict.json", "state.json")]
    try:
        is_saved = any(file.is_file() for file in saved)
        loaded = load_from_disk(name) if is_saved else load_dataset(name, config)
    except (DatasetsError, OSError, ValueError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CorpusError(f"{source}: cannot be loaded: {first_line}") from error
    return dict(loaded) if isinstance(loaded, DatasetDict) else {"train": loaded}


def _read_rows(source: str, tables: Mapping[str, Dataset], columns: ReportColumns) -> Rows:
    for split, table in tables.items():
        where = f"{source}, split {split}"
        check_columns(where, table.column_names, columns.required, are_names=True)
        known = table.select_columns(keep_known(table.column_names, columns))
        named = SPLIT_NAMES.get(split, split)
        own = {"split": named if named in SPLITS else None}
        for number, row in enumerate(_iterate(known), start=1):
            yield f"split {split}, row {number}", {**own, **row}


def _iterate(table: Dataset) -> Iterator[dict[str, Any]]:
    for batch in table.iter(batch_size=ROWS_AT_ONCE):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))
