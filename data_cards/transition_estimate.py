"""Estimates the report→image transition from a small set of images that readers graded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from configs.files import hash_file
from configs.settings import Settings
from data_cards.consensus import Consensus, read_consensus
from data_cards.findings import SEVERITY_LEVELS, LabelCode
from data_cards.label_table import read_label_table
from data_cards.transition import (
    Cells,
    ConsensusSource,
    FloatArray,
    PriorSource,
    ReportToImage,
    Transition,
    TransitionError,
)
from data_cards.transition_priors import MOST_STRENGTH, TRANSITION_PRIORS, NamedPrior

logger = logging.getLogger(__name__)

FLAT_STUDIES = 1.0
"""One pseudo-study per report grade, spread evenly over its cells (Perks 1947; for two cells it is
Jeffreys' prior), so that no cell is ever exactly 0."""
GRADES = tuple(range(SEVERITY_LEVELS))
PRESENCE = (int(LabelCode.NEGATIVE), int(LabelCode.POSITIVE))


class EstimateSettings(Settings):
    """How a transition is estimated.

    prior: the named prior that the grade's P(image | report) is shrunk to, by prior_strength
    pseudo-studies per report grade; findings have no named prior. draws, seed, level: of the
    intervals. fewest: with fewer consensus images that match a graded report, there is no
    estimate.
    """

    prior: str = "mimic_edema"
    prior_strength: float = Field(2.0, ge=0, le=MOST_STRENGTH)
    draws: int = Field(4000, ge=100)
    seed: int = Field(0, ge=0)
    level: float = Field(0.95, gt=0.5, lt=1)
    fewest: int = Field(30, ge=1)


@dataclass(frozen=True)
class LabelSource:
    """Which label table a transition holds reports by: its file name and SHA-256."""

    file: str
    sha256: str


def find_prior(name: str) -> NamedPrior:
    """Return a named prior; raises TransitionError with the names there are."""
    if name not in TRANSITION_PRIORS:
        raise TransitionError(
            f"{name!r}: no such transition prior. Known: {', '.join(sorted(TRANSITION_PRIORS))}"
        )
    return TRANSITION_PRIORS[name]


def named_transition(name: str, *, settings: EstimateSettings | None = None) -> ReportToImage:
    """Give a named prior as a transition, with intervals from its own counts."""
    asked = settings or EstimateSettings()
    prior = find_prior(name)
    counts = np.asarray(prior.counts)
    return ReportToImage(
        grade=_fit(_each_alone(counts), np.zeros(counts.shape), prior.report_counts, asked),
        source=PriorSource(name=name, citation=prior.citation, derivation=prior.derivation),
        level=asked.level,
        draws=asked.draws,
        seed=asked.seed,
    )


def estimate_transition(
    labels: pd.DataFrame,
    consensus: Consensus,
    source: LabelSource,
    *,
    settings: EstimateSettings | None = None,
) -> ReportToImage:
    """Estimate P(report | image) from consensus reads and the label table that training uses.

    labels: a label table (study_id, edema_severity, findings). The consensus set may be
    stratified by report grade: only P(image | report) is read from it, and joined with how often
    the label table gives each grade. It must not be chosen by what the images show.

    Intervals: the posterior under a Bayesian bootstrap of patients (Rubin 1981) with the prior's
    pseudo-studies; where each patient has one image this is exactly the Dirichlet posterior.
    A cell without any read has an interval from 0. Raises TransitionError when fewer than
    `settings.fewest` reads match a graded report; a report grade without any read is noted and
    logged, and stands on the prior alone.
    """
    asked = settings or EstimateSettings()
    prior = find_prior(asked.prior)
    matched = consensus.frame.merge(labels, on="study_id", suffixes=("", "_label"))
    known = matched[["severity", "edema_severity"]].notna().all(axis=1)
    if known.sum() < asked.fewest:
        raise TransitionError(
            f"{consensus.file}: {known.sum()} of its {len(consensus.frame)} images match a study to"
            f" which {source.file} gives a severity; at least {asked.fewest} are needed"
        )
    graded = matched[known]
    counted = _count(graded["edema_severity"], graded["severity"], graded["cluster"], GRADES)
    notes = _note_missing(counted)
    pseudo = asked.prior_strength * _normalise(np.asarray(prior.counts, np.float64))
    return ReportToImage(
        grade=_fit(counted, pseudo, _occurrences(labels["edema_severity"], GRADES), asked),
        findings=_fit_findings(matched, labels, consensus.findings, asked),
        source=ConsensusSource(
            file=consensus.file,
            sha256=consensus.sha256,
            labels_file=source.file,
            labels_sha256=source.sha256,
            images=len(graded),
            studies=int(graded["study_id"].nunique()),
            patients=int(graded["cluster"].nunique()) if consensus.has_patients else None,
            unmatched=len(consensus.frame) - len(graded),
            prior=asked.prior,
            prior_strength=asked.prior_strength,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        level=asked.level,
        draws=asked.draws,
        seed=asked.seed,
        notes=notes,
    )


def estimate_transition_files(
    labels: Path, consensus: Path, *, settings: EstimateSettings | None = None
) -> ReportToImage:
    """Estimate from a label table (Parquet) and a consensus table (CSV, see `read_consensus`)."""
    reads = read_consensus(consensus)
    table = read_label_table(labels, columns=["edema_severity"])
    findings = [name for name in reads.findings if name in pq.read_schema(labels).names]
    if findings:
        table = read_label_table(labels, columns=["edema_severity", *findings])
    source = LabelSource(labels.name, hash_file(labels))
    return estimate_transition(table, reads, source, settings=settings)


def _fit_findings(
    matched: pd.DataFrame,
    labels: pd.DataFrame,
    findings: Sequence[str],
    settings: EstimateSettings,
) -> dict[str, Transition]:
    """Fit 2×2 transitions, between reports that say present or absent and reads that do."""
    fitted = {}
    for finding in findings:
        if finding not in labels.columns:
            continue
        said, shown = matched[f"{finding}_label"], matched[finding]
        known = (said.isin(PRESENCE) & shown.isin(PRESENCE)).fillna(False).to_numpy(bool)
        if known.sum() < settings.fewest:
            continue
        counted = _count(said[known], shown[known], matched["cluster"][known], PRESENCE)
        occurrences = _occurrences(labels[finding], PRESENCE)
        fitted[finding] = _fit(counted, np.zeros((2, 2)), occurrences, settings)
    return fitted


def _count(
    said: pd.Series, shown: pd.Series, clusters: pd.Series, values: Sequence[int]
) -> NDArray[np.int64]:
    """Count reads by patient: [patients, report, image]."""
    codes, patients = pd.factorize(clusters)
    counted = np.zeros((len(patients), len(values), len(values)), np.int64)
    np.add.at(counted, (codes, said.to_numpy(np.int64), shown.to_numpy(np.int64)), 1)
    return counted


def _each_alone(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Spread counts over one patient per image: [images, report, image]."""
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    return np.eye(counts.size, dtype=np.int64)[cells].reshape(-1, *counts.shape)


def _occurrences(column: pd.Series, values: Sequence[int]) -> tuple[int, ...]:
    return tuple(int((column == value).fillna(False).sum()) for value in values)


def _note_missing(counted: NDArray[np.int64]) -> tuple[str, ...]:
    notes = tuple(
        f"report grade {grade} has no consensus read: its row is the prior alone"
        for grade, reads in enumerate(counted.sum(axis=(0, 2)))
        if not reads
    )
    for note in notes:
        logger.warning("%s", note)
    return notes


def _fit(
    counted: NDArray[np.int64],
    pseudo: FloatArray,
    report_counts: Sequence[int],
    settings: EstimateSettings,
) -> Transition:
    """Fit both directions from reads by patient [patients, report, image] and pseudo-studies."""
    generator = np.random.default_rng(settings.seed)
    size = len(pseudo)
    pseudo = pseudo + FLAT_STUDIES / size
    # A gamma weight per patient, one more per cell for the prior: rows normalised are Dirichlet.
    weights = generator.standard_exponential((settings.draws, len(counted)))
    drawn = (weights @ counted.reshape(len(counted), -1)).reshape(-1, size, size)
    drawn += generator.standard_gamma(pseudo, (settings.draws, size, size))
    said = np.asarray(report_counts, np.float64) + FLAT_STUDIES / size
    counts = counted.sum(axis=0)
    image_given_report = _normalise(counts + pseudo)
    drawn_images = _normalise(drawn)
    drawn_reports = _reverse(drawn_images, generator.dirichlet(said, settings.draws)[:, :, None])
    joint = (said / said.sum()) @ image_given_report
    return Transition(
        counts=tuple(tuple(map(int, row)) for row in counts),
        report_counts=tuple(map(int, report_counts)),
        image_prior=tuple(map(float, joint)),
        report_given_image=_summarise(
            _reverse(image_given_report, (said / said.sum())[:, None]),
            drawn_reports,
            counts.T == 0,
            settings.level,
        ),
        image_given_report=_summarise(
            image_given_report, drawn_images, counts == 0, settings.level
        ),
    )


def _normalise(table: FloatArray) -> FloatArray:
    normalised: FloatArray = table / table.sum(axis=-1, keepdims=True)
    return normalised


def _reverse(image_given_report: FloatArray, report: FloatArray) -> FloatArray:
    """Apply Bayes' rule to [..., report, image] and P(report) [..., report, 1]; turns the axes."""
    return _normalise(np.swapaxes(image_given_report * report, -1, -2))


def _summarise(
    values: FloatArray, drawn: FloatArray, unseen: NDArray[np.bool_], level: float
) -> Cells:
    """Give each cell its interval; where nothing was counted it begins at 0."""
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail), axis=0)
    low = np.minimum(np.where(unseen, 0.0, low), values)
    return Cells(
        values=_as_matrix(values), low=_as_matrix(low), high=_as_matrix(np.maximum(high, values))
    )


def _as_matrix(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in values)
