"""Combines the files of labelers: reads and joins them, fits the models, and writes the table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from configs.files import find_overwritten
from data_cards.findings import FINDINGS
from data_cards.label_table import LabelTableManifest, manifest_path, read_manifest
from text_labeler.combined_table import CombinedFiles, write_combined
from text_labeler.combining import Combination, CombineError, CombineSettings, combine_votes
from text_labeler.label_matrix import SEVERITY, LabelMatrix, align_reads, join_votes
from text_labeler.label_model_fit import ABSTAIN, Votes
from text_labeler.labeler_files import parse_labeler, read_labelers, read_votes
from text_labeler.snorkel_matrix import SNORKEL_ENDING


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
        check_outputs(out, (), (*self.files.labels, self.files.audited))
        return write_combined(out, self.combination, self.files, began=self.began)


def combine_files(
    labels: Sequence[str], settings: CombineSettings, *, audited: Path | None = None
) -> CombinedLabelers:
    """Combine files given as `path` or `name=path`; `audited` holds reads that are kept as truth.

    Raises as `read_labelers`, `join_votes` and `combine_votes` do, LabelTableError for a label
    table whose manifest names other bytes, and CombineError for a labeler that is also the truth.
    """
    began = time.monotonic()
    paths = tuple(dict.fromkeys(parse_labeler(one)[1] for one in labels))
    if audited is not None and audited.resolve() in {path.resolve() for path in paths}:
        raise CombineError(f"{audited}: the audited reads cannot be a labeler too")
    joined = join_votes(read_labelers(labels))
    foreign = _compare_corpora(paths)
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
    combination = replace(combination, warnings=(*foreign, *apart, *combination.warnings))
    files = CombinedFiles(paths, audited, dict(joined.missing))
    return CombinedLabelers(combination, files, reads, read_studies, began)


def check_outputs(
    out: Path | None,
    others: Sequence[Path | None],
    inputs: Sequence[Path | None],
    *,
    folder: Path | None = None,
) -> None:
    """Refuse a table of another ending than .parquet, and to write over a file of this command.

    folder: where Snorkel's matrices are written, and none may be read.
    """
    if out is not None and out.suffix != ".parquet":
        raise CombineError(f"{out}: a label table is Parquet; expected a name that ends .parquet")
    lost = find_overwritten([out, *others], inputs)
    if lost is not None:
        raise CombineError(
            f"{lost}: is one of the files to combine, or named twice; give it its own name"
        )
    matrices = [path for path in inputs if path is not None and path.suffix == SNORKEL_ENDING]
    if folder is not None and folder.resolve() in {path.resolve().parent for path in matrices}:
        raise CombineError(f"{folder}: holds matrices to combine; name another folder")


def _compare_corpora(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Warn where label tables are of two corpora, or of two states of one."""
    first: tuple[Path, LabelTableManifest] | None = None
    warnings = []
    for path in paths:
        if path.suffix != ".parquet" or not manifest_path(path).is_file():
            continue
        manifest = read_manifest(path)
        if not manifest.corpus:
            continue
        first = first or (path, manifest)
        if manifest.corpus != first[1].corpus:
            what = f"is of the corpus {manifest.corpus}, {first[0].name} of {first[1].corpus}"
        elif manifest.corpus_hash != first[1].corpus_hash:
            what = f"is of another state of the corpus {manifest.corpus} than {first[0].name}"
        else:
            continue
        warnings.append(("", f"{path.name} {what}: one study id may mean two studies"))
    return warnings
