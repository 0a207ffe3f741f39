"""Votes as Snorkel's label matrix, one `.npz` for each column, to and from other label models."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np

from configs.files import write_atomically
from text_labeler.label_matrix import LabelerVotes, LabelMatrix, LabelMatrixError
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN

SNORKEL_ENDING = ".npz"
KEYS = ("L", "names", "study_ids", "column")


def write_snorkel(matrix: LabelMatrix, folder: Path) -> tuple[Path, ...]:
    """Write `<column>.npz` for each column: `L` int64 [studies, labelers] with −1 to abstain.

    Beside it `names` of the labelers, `study_ids`, and the `column`: two classes for a finding,
    four for `edema_severity` (Snorkel 0.10 has no multi-label problem). An uncertain vote becomes
    an abstention, since Snorkel knows none.
    """
    files = []
    for column in matrix.columns:
        votes = matrix.column(column).astype(np.int64)
        votes[votes == UNCERTAIN] = ABSTAIN
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", column)
        file = folder / f"{plain}{SNORKEL_ENDING}"
        for number in range(2, len(matrix.columns) + 1):
            if file in files:
                file = folder / f"{plain}_{number}{SNORKEL_ENDING}"
        with write_atomically(file) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                L=votes,
                names=np.array(matrix.labelers),
                study_ids=np.array(matrix.study_ids),
                column=np.array(column),
            )
        files.append(file)
    return tuple(files)


def read_snorkel(path: Path) -> list[LabelerVotes]:
    """Read a matrix as `write_snorkel` writes it, one labeler for each column of L.

    Raises LabelMatrixError for another file, shape, or kind of number; nothing is unpickled.
    """
    arrays = _read_arrays(path)
    votes, names, ids = arrays["L"], arrays["names"], arrays["study_ids"]
    if names.ndim != 1 or ids.ndim != 1:
        raise LabelMatrixError(f"{path}: names and study_ids are lists")
    if votes.shape != (len(ids), len(names)) or not np.issubdtype(votes.dtype, np.integer):
        raise LabelMatrixError(
            f"{path}: L is {votes.dtype} {votes.shape}; expected whole numbers"
            f" [{len(ids)} study_ids, {len(names)} names]"
        )
    if votes.size and (votes.min() < ABSTAIN or votes.max() > np.iinfo(np.int8).max):
        raise LabelMatrixError(f"{path}: L holds {votes.min()}..{votes.max()}; −1 is to abstain")
    study_ids = tuple(map(str, ids))
    column = str(arrays["column"])
    return [
        LabelerVotes(
            str(name), str(path), study_ids, {column: votes[:, n].astype(np.int8)}, is_part=True
        )
        for n, name in enumerate(names)
    ]


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise LabelMatrixError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [key for key in KEYS if key not in stored]
            if missing:
                raise LabelMatrixError(f"{path}: expected {', '.join(KEYS)}; no {missing[0]}")
            return {key: stored[key] for key in KEYS}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, LabelMatrixError):
            raise
        raise LabelMatrixError(f"{path}: not a readable .npz: {type(error).__name__}") from error
