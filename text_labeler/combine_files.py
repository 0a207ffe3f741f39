"""Combines the files of labelers: reads and joins them, fits the models, and writes the table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_cards.findings import FINDINGS
from data_cards.label_table import LabelTableManifest
from text_labeler.combined_table import CombinedFiles, write_combined
from text_labeler.combining import Combination, CombineError, CombineSettings, combine_votes
from text_labeler.label_matrix import SEVERITY, LabelMatrix, align_reads, join_votes
from text_labeler.label_model_fit import ABSTAIN, Votes
from text_labeler.labeler_files import parse_labeler, read_labelers, read_votes


@dataclass(frozen=True, eq=False)
class CombinedLabelers:
    """A combination, the files it is of, and the reads as read: int8 [columns, studies] or None.

    `read_studies`: how many studies the audited file has. `began`: `time.monotonic()` at the begin.
    """

    combination: Combination
    files: CombinedFiles
    reads: Votes | None
    read_studies: int
    began: float

    @property
    def matrix(self) -> LabelMatrix:
        """The labelers' votes."""
        return self.combination.matrix

    def write(self, out: Path) -> LabelTableManifest:
        """Write the label table and its manifest; raises CombineError where it is a file read."""
        check_out(out, (*self.files.labels, *filter(None, [self.files.audited])))
        return write_combined(out, self.combination, self.files, began=self.began)


def combine_files(
    labels: Sequence[str], settings: CombineSettings, *, audited: Path | None = None
) -> CombinedLabelers:
    """Combine files given as `path` or `name=path`; `audited` holds reads that are kept as truth.

    Raises as `read_labelers`, `join_votes` and `combine_votes` do.
    """
    began = time.monotonic()
    joined = join_votes(read_labelers(labels))
    matrix, reads, read_studies = joined.matrix, None, 0
    if audited is not None:
        findings = [
            name for name in dict.fromkeys((*FINDINGS, *matrix.columns)) if name != SEVERITY
        ]
        given = read_votes("audited", audited, findings)
        reads, read_studies = align_reads(matrix, given), len(given.study_ids)
        if (reads == ABSTAIN).all():
            raise CombineError(f"{audited}: reads of no study and column that a labeler has")
    combination = combine_votes(matrix, settings, audited=reads)
    apart = [("", f"{one} and {other} have no study in common") for one, other in joined.apart]
    combination = replace(combination, warnings=(*apart, *combination.warnings))
    paths = tuple(dict.fromkeys(parse_labeler(one)[1] for one in labels))
    files = CombinedFiles(paths, audited, dict(joined.missing))
    return CombinedLabelers(combination, files, reads, read_studies, began)


def check_out(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse another ending than .parquet, and to write over a file that is read."""
    if out.suffix != ".parquet":
        raise CombineError(f"{out}: a label table is Parquet; expected a name that ends .parquet")
    if out.resolve() in {path.resolve() for path in inputs}:
        raise CombineError(f"{out}: is one of the files to combine; give the result its own name")
