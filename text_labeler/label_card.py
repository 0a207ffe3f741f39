"""The card of a mined label table: what is in it, in numbers and without a word of any report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.files import write_text
from data_cards.findings import PARENTS, SEVERITY_NAMES, LabelCode
from data_cards.label_table import LabelTableManifest, list_findings
from text_labeler.page_templates import open_templates
from text_labeler.score_intervals import Estimate
from text_labeler.score_sheet import ScoreSheet

TEMPLATE = "label_card.md.j2"
COUNTED = (".section", ".rule", ".assertion")
MOST_PAIRS = 12
MOST_RULES = 15
FEWEST_TOGETHER = 5
"""Studies in which two findings are present; of fewer nothing is said."""


class Prevalence(NamedTuple):
    """How a finding stands in the table, in studies; `share` is of studies with it present."""

    finding: str
    present: int
    uncertain: int
    absent: int
    not_mentioned: int
    share: float


class Pair(NamedTuple):
    """Two findings present in the same study; `lift`: how much more often than by chance.

    A finding and what it is a kind of are no pair: a nodule is always a lesion.
    """

    first: str
    second: str
    studies: int
    lift: float


@dataclass
class EvidenceCounts:
    """Mentions, by report, section, rule, finding and assertion."""

    reports: int = 0
    with_mention: int = 0
    mentions: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    sections: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    assertions: Counter[str] = field(default_factory=Counter)

    @property
    def median(self) -> int:
        """Mentions in the report in the middle, by their number."""
        passed, half = 0, self.reports / 2
        for length in sorted(self.lengths):
            passed += self.lengths[length]
            if passed >= half:
                return length
        return 0


class TableStatistics(NamedTuple):
    """What one pass over the finished table counts."""

    pairs: tuple[Pair, ...]
    evidence: EvidenceCounts


def card_path(table: Path) -> Path:
    """Return where a table's card lies: `labels.parquet` → `labels.md`."""
    return table.with_suffix(".md")


def write_label_card(
    table: Path, manifest: LabelTableManifest, gold: Mapping[Path, ScoreSheet] | None = None
) -> Path:
    """Write the card beside a label table, atomically; return its path.

    gold: scores by reference, of which the file's name is told. The table is read row group by
    row group, so that memory holds one of them.
    """
    text = (
        open_templates()
        .get_template(TEMPLATE)
        .render(
            name=table.name,
            manifest=manifest,
            prevalences=list(list_prevalences(manifest)),
            severity=_list_grades(manifest),
            statistics=count_table(table),
            most_rules=MOST_RULES,
            gold=[(path.name, sheet) for path, sheet in (gold or {}).items()],
            show=_show,
            skipped=Counter(_shorten(item["reason"]) for item in manifest.skipped),
        )
    )
    path = card_path(table)
    write_text(path, text)
    return path


def list_prevalences(manifest: LabelTableManifest) -> Iterator[Prevalence]:
    """Give the findings that any report mentions by the manifest's counts, commonest first."""
    found = [
        Prevalence(
            name,
            counts["positive"],
            counts["uncertain"],
            counts["negative"],
            counts["not mentioned"],
            counts["positive"] / max(manifest.studies, 1),
        )
        for name, counts in manifest.counts.items()
        if "positive" in counts and counts["not mentioned"] < manifest.studies
    ]
    yield from sorted(found, key=lambda one: -one.present)


def count_table(table: Path) -> TableStatistics:
    """Count pairs of findings and mentions in one pass over a label table's file."""
    evidence = EvidenceCounts()
    with pq.ParquetFile(table) as file:
        findings = [name for name in list_findings(file.schema_arrow.names) if name != "No Finding"]
        together = np.zeros((len(findings), len(findings)), np.int64)
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=[*findings, *_list_counted(file)])
            present = np.stack([_is_present(rows[name]) for name in findings])
            # Whole numbers: threads of a fast product wait longer for each other than they work.
            together += present @ present.T
            _count_evidence(rows["evidence"], evidence)
    pairs = _list_pairs(findings, together, evidence.reports)
    return TableStatistics(pairs, evidence)


def _list_counted(file: pq.ParquetFile) -> list[str]:
    """Name the columns of evidence that are counted; the offsets are most of the rest."""
    paths = (file.schema.column(number).path for number in range(len(file.schema)))
    return [path for path in paths if path.startswith("evidence") and path.endswith(COUNTED)]


def _is_present(column: pa.ChunkedArray) -> np.ndarray:
    present = pc.fill_null(pc.equal(column, int(LabelCode.POSITIVE)), False)
    codes: np.ndarray = present.to_numpy().astype(np.int64)
    return codes


def _count_evidence(column: pa.ChunkedArray, counts: EvidenceCounts) -> None:
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    counts.reports += len(column)
    counts.mentions += pc.sum(lengths).as_py() or 0
    counts.with_mention += pc.sum(pc.greater(lengths, 0)).as_py() or 0
    counts.lengths.update(_count_values(lengths))
    mentions = column.combine_chunks().flatten()
    for name, counter in (
        ("section", counts.sections),
        ("rule", counts.rules),
        ("assertion", counts.assertions),
    ):
        counter.update(_count_values(mentions.field(name)))


def _count_values(column: pa.Array | pa.ChunkedArray) -> dict[Any, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()}


def _list_pairs(findings: Sequence[str], together: np.ndarray, studies: int) -> tuple[Pair, ...]:
    pairs = []
    for first, second in combinations(range(len(findings)), 2):
        count = int(together[first, second])
        names = (findings[first], findings[second])
        is_kind_of = PARENTS.get(names[0]) == names[1] or PARENTS.get(names[1]) == names[0]
        if count >= FEWEST_TOGETHER and not is_kind_of:
            expected = together[first, first] * together[second, second] / studies
            pairs.append(Pair(*names, count, float(count / expected)))
    return tuple(sorted(pairs, key=lambda pair: -pair.studies)[:MOST_PAIRS])


def _list_grades(manifest: LabelTableManifest) -> list[tuple[str, int]]:
    counts = manifest.counts.get("edema_severity", {})
    names = [(f"{grade} {name}", str(grade)) for grade, name in enumerate(SEVERITY_NAMES)]
    names.append(("not stated", "not mentioned"))
    return [(words, counts.get(key, 0)) for words, key in names]


def _show(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "–"
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def _shorten(reason: str) -> str:
    """Leave out numbers, which are those of one report."""
    return " ".join("N" if word.isdecimal() else word for word in reason.split())
