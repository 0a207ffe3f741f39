"""Combines many labelers' votes into one probability per study, finding and grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from text_labeler.implications import imply_codes, imply_probabilities
from text_labeler.label_matrix import SEVERITY, LabelMatrix
from text_labeler.label_model import LabelModelFit, LabelModelSettings, fit_label_model
from text_labeler.label_model_doubts import ENOUGH_STUDIES
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN, Array, Votes

NO_MODEL = "fewer than two labelers and no audited reads: shares of the votes, no model"


class CombineError(ValueError):
    """Settings that do not fit the labelers."""


@dataclass(frozen=True)
class CombineSettings:
    """How votes are combined.

    `same_rules`: groups of labelers, each counted as one. `abstention` "informative" lets silence
    speak, as the label model's setting. `implications`: hold P(parent) ≥ P(child) and the others
    of `implications.py`. `sure`: a class is the label where its probability is at
    least this, and more than half.
    """

    same_rules: tuple[tuple[str, ...], ...] = ()
    abstention: Literal["ignored", "informative"] = "ignored"
    implications: bool = True
    sure: float = 0.5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Combination:
    """The labels of a matrix's studies.

    `probabilities` [studies, classes] by column, NaN where nobody voted or read. `codes` int8
    [studies] by column: as votes, −1 for no label and −2 for uncertain. `fits` by column, with NaN
    on studies that were not fitted, since all labelers are silent and silence is ignored; a column
    without one has its votes' shares for probabilities, as a warning says. `audited` [columns,
    studies]: −1 where nobody read. `warnings`: column ("" for all) and words.
    """

    matrix: LabelMatrix
    settings: CombineSettings
    probabilities: dict[str, Array]
    codes: dict[str, Votes]
    fits: dict[str, LabelModelFit]
    audited: Votes
    warnings: tuple[tuple[str, str], ...] = field(default=())


def combine_votes(
    matrix: LabelMatrix,
    settings: CombineSettings | None = None,
    *,
    audited: Votes | None = None,
) -> Combination:
    """Fit one label model per column and make the columns agree.

    `audited` [columns, studies], −1 where nobody read (`align_reads`), is kept as the truth. A
    column of fewer than two labelers (a group counts once) and no audited read has no model.
    Raises CombineError for groups that name no labeler, or one twice.
    """
    settings = settings or CombineSettings()
    shape = matrix.votes.shape[:2]
    reads = np.full(shape, ABSTAIN, dtype=np.int8) if audited is None else audited
    fits, probabilities, warnings = _fit_columns(matrix, reads, settings)
    read_of = dict(zip(matrix.columns, reads, strict=True))
    if settings.implications:
        agreed = imply_probabilities(probabilities, read_of)
        probabilities = agreed.probabilities
        warnings.extend(("", words) for words in agreed.contradictions)
    codes = {
        column: choose_codes(
            probabilities[column], settings.sure, votes=votes, taught=_find_taught(votes, read)
        )
        for column, votes, read in zip(matrix.columns, matrix.votes, reads, strict=True)
    }
    if settings.implications:
        imply_codes(codes, read_of)
    return Combination(matrix, settings, probabilities, codes, fits, reads, tuple(warnings))


def _fit_columns(
    matrix: LabelMatrix, reads: Votes, settings: CombineSettings
) -> tuple[dict[str, LabelModelFit], dict[str, Array], list[tuple[str, str]]]:
    group_of = _read_groups(matrix.labelers, settings)
    warnings: list[tuple[str, str]] = []
    fits: dict[str, LabelModelFit] = {}
    probabilities: dict[str, Array] = {}
    for index, column in enumerate(tqdm(matrix.columns, desc="combine", unit=" columns")):
        votes, truth = matrix.votes[index], reads[index]
        fit = _fit_column(votes, truth, _set_model(column, matrix, group_of, settings))
        if fit is None:
            probabilities[column] = _share_votes(votes, matrix.classes(column))
            warnings.append((column, NO_MODEL))
        else:
            fits[column], probabilities[column] = fit, fit.probabilities.copy()
            warnings.extend((column, words) for words in fit.warnings)
        probabilities[column][(votes == ABSTAIN).all(axis=1)] = np.nan
        probabilities[column][truth >= 0] = np.eye(matrix.classes(column))[truth[truth >= 0]]
    return fits, probabilities, warnings


def choose_codes(
    probabilities: Array, sure: float, *, votes: Votes, taught: NDArray[np.bool_] | None = None
) -> Votes:
    """Give each study the class that has `sure` and more than half of the probability.

    int8 [studies]. Else −2 (uncertain) for a finding and −1 (no label) for a grade; −1 where
    nothing is known. Uncertain `votes` [studies, labelers] alone make an uncertain label, however
    rare or common the finding is, but where people's reads say what they mean: `taught`
    [labelers], and one of these is uncertain.
    """
    known = np.isfinite(probabilities).all(axis=1)
    codes = np.full(len(probabilities), ABSTAIN, dtype=np.int8)
    filled = np.nan_to_num(probabilities)
    best = filled.argmax(axis=1)
    highest = filled.max(axis=1)
    # A hair of rounding neither makes a label nor takes one away.
    is_sure = known & (highest >= sure - 1e-9) & (highest > 0.5 + 1e-9)
    codes[is_sure] = best[is_sure]
    if probabilities.shape[1] == 2:
        only_uncertain = (votes == UNCERTAIN).any(axis=1) & (votes < 0).all(axis=1)
        only_uncertain &= highest < 1  # else a read, or what a read excludes
        if taught is not None:
            only_uncertain &= ~(votes[:, taught] == UNCERTAIN).any(axis=1)
        codes[known & (~is_sure | only_uncertain)] = UNCERTAIN
    return codes


def _find_taught(votes: Votes, reads: Votes) -> NDArray[np.bool_]:
    """Labelers with enough of their uncertain votes read to know what these mean."""
    taught: NDArray[np.bool_] = (votes[reads >= 0] == UNCERTAIN).sum(axis=0) >= ENOUGH_STUDIES
    return taught


def _set_model(
    column: str, matrix: LabelMatrix, group_of: Mapping[str, str], settings: CombineSettings
) -> LabelModelSettings:
    return LabelModelSettings(
        classes=matrix.classes(column),
        confusion="by_offset" if column == SEVERITY else "full",
        abstention=settings.abstention,
        groups=tuple(group_of[name] for name in matrix.labelers),
        names=matrix.labelers,
        seed=settings.seed,
    )


def _fit_column(votes: Votes, truth: Votes, model: LabelModelSettings) -> LabelModelFit | None:
    """Fit studies with a vote, or all where silence speaks; None where too little is known.

    Labelers speak of a finding more often where it is there. With silence ignored, reads of
    studies on which all are silent would make it rare among the others too.
    """
    if model.abstention == "ignored":
        fitted = (votes != ABSTAIN).any(axis=1)
    else:
        fitted = np.ones(len(votes), dtype=bool)
    voters = np.flatnonzero((votes != ABSTAIN).any(axis=0))
    effective = len({model.groups[place] if model.groups else place for place in voters})
    if not effective or (effective < 2 and (truth[fitted] < 0).all()):
        return None
    fit = fit_label_model(votes[fitted], model, truth=truth[fitted])
    probabilities = np.full((len(votes), model.classes), np.nan)
    probabilities[fitted] = fit.probabilities
    return replace(fit, probabilities=probabilities)


def _read_groups(labelers: Sequence[str], settings: CombineSettings) -> dict[str, str]:
    """Name each labeler's group: the first labeler in it."""
    if not 0.5 <= settings.sure <= 1:
        raise CombineError(f"sure must be in 0.5..1, not {settings.sure}")
    group_of: dict[str, str] = {}
    for group in settings.same_rules:
        unknown = [name for name in group if name not in labelers]
        if unknown or len(group) < 2:
            what = f"no labeler {unknown[0]!r}" if unknown else "one labeler is no group"
            raise CombineError(
                f"same rules {','.join(group)}: {what}; the labelers: {', '.join(labelers)}"
            )
        for name in group:
            if name in group_of:
                raise CombineError(f"same rules {','.join(group)}: {name!r} is in a group twice")
            group_of[name] = group[0]
    return {name: group_of.get(name, name) for name in labelers}


def _share_votes(votes: Votes, classes: int) -> Array:
    """Share of the votes for each class [studies, classes], NaN where nobody votes."""
    shares = np.stack([(votes == k).sum(axis=1) for k in range(classes)], axis=1).astype(float)
    if classes == 2:
        shares += (votes == UNCERTAIN).sum(axis=1, keepdims=True) / 2
    total = shares.sum(axis=1, keepdims=True)
    divided: Array = np.divide(shares, total, out=np.full_like(shares, np.nan), where=total > 0)
    return divided
