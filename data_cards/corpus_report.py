"""All that `kerley corpora check` finds in one corpus, in words and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_cards.checks import CorpusChecks, check_corpus, describe_checks, list_some
from data_cards.corpus_metadata import LabelBaseline, measure_baselines
from data_cards.image_sources import find_own_sources
from data_cards.image_survey import ImageSurvey, survey_images
from data_cards.metadata_baseline import METADATA_LIMIT
from data_cards.study import Listing, Skipped, Study

SAMPLE_IMAGES = 20_000
"""Images decoded unless asked otherwise: an hour's work becomes minutes in a large corpus."""

SHOWN_SOURCES = 4


@dataclass(frozen=True)
class CorpusReport:
    """The checks of bytes and splits, what decoding showed, and what metadata alone can tell.

    survey: None for a corpus without images, or when nothing was to be decoded. own_sources: the
    classes that share a source with no other class, each with its sources.
    """

    checks: CorpusChecks
    survey: ImageSurvey | None
    baselines: tuple[LabelBaseline, ...]
    skipped: tuple[Skipped, ...]
    own_sources: dict[str, tuple[str, ...]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may mislead and is for a person to judge; the exit code does not say it."""
        found = []
        if self.survey is not None:
            across = {
                "patients": self.survey.count_across(_patient),
                "splits": self.survey.count_across(_split),
            }
            found = [
                f"{count} groups of nearly equal images go across {what}"
                for what, count in across.items()
                if count
            ]
            if self.survey.undecodable:
                found.append(f"{len(self.survey.undecodable)} images do not decode")
        found += [
            f"metadata alone tell {one.label}: AUC {one.baseline.auc.value:.2f}, which is at least"
            f" {METADATA_LIMIT:.2f}"
            for one in self.baselines
            if one.baseline.is_suspect()
        ]
        found += [
            f"class {name} comes from sources of its own: {_shorten(sources)}"
            for name, sources in self.own_sources.items()
        ]
        return tuple(found)


def inspect_corpus(
    listing: Listing,
    *,
    labels: Path | None = None,
    at_most: int | None = SAMPLE_IMAGES,
    seed: int = 0,
) -> CorpusReport:
    """Check a corpus: every byte is hashed, and the images of a sample of patients are decoded.

    labels: a label table whose findings and grades metadata are held against. at_most: images to
    decode; None: all, 0: none.
    """
    checks = check_corpus(listing)
    survey: ImageSurvey | None = None
    baselines: tuple[LabelBaseline, ...] = ()
    if checks.images and at_most != 0:
        survey = survey_images(listing, at_most=at_most, seed=seed)
        baselines = tuple(measure_baselines(survey.images, labels, seed=seed))
    columns = listing.studies.select_columns(["class_name", "source"])[:]
    own_sources = find_own_sources(columns["class_name"], columns["source"])
    return CorpusReport(checks, survey, baselines, listing.skipped, own_sources)


def describe_report(report: CorpusReport) -> str:
    """Put a report into lines a person reads; names files, never patients or report text."""
    lines = [describe_checks(report.checks, report.skipped)]
    if report.survey is not None:
        lines += _describe_survey(report.survey)
        lines += _describe_baselines(report.baselines)
    lines += [f"LOOK: {warning}" for warning in report.warnings]
    return "\n".join(lines)


def to_json(report: CorpusReport) -> dict[str, Any]:
    """Give all numbers and the paths under the root; no report text, no id but those in paths."""
    survey = report.survey
    return {
        "checks": asdict(report.checks),
        "problems": list(report.checks.problems),
        "warnings": list(report.warnings),
        "skipped": [asdict(item) for item in report.skipped],
        "survey": None
        if survey is None
        else {
            "decoded": len(survey.images),
            "of": survey.of,
            "not_compared": survey.not_compared,
            "undecodable": list(survey.undecodable),
            "modes": survey.modes,
            "sizes": _count_sizes(survey),
            "near_duplicates": [[image.path for image in group] for group in survey.groups],
            "near_across_patients": survey.count_across(_patient),
            "near_across_splits": survey.count_across(_split),
            "distances": survey.near.histogram.tolist(),
        },
        "metadata_baselines": [
            {
                "label": one.label,
                "classes": one.classes,
                "model": one.baseline.model,
                "columns": list(one.baseline.columns),
                "auc": one.baseline.auc.value,
                "auc_by_class": list(one.baseline.auc.by_class),
                "low": one.baseline.auc.low,
                "high": one.baseline.auc.high,
            }
            for one in report.baselines
        ],
        "own_sources": {name: list(sources) for name, sources in report.own_sources.items()},
    }


def _describe_survey(survey: ImageSurvey) -> list[str]:
    sizes = _count_sizes(survey)
    shown = ", ".join(f"{name} {count:,}" for name, count in list(sizes.items())[:4])
    more = len(sizes) - 4
    lines = [
        f"  decoded: {len(survey.images):,} of {survey.of:,} images"
        + (f"; {survey.not_compared:,} of another kind were not" if survey.not_compared else ""),
        f"  sizes: {shown}" + (f", and {more:,} more" if more > 0 else ""),
        "  stored as: " + ", ".join(f"{name} {n:,}" for name, n in survey.modes.items()),
        f"  groups of nearly equal images: {len(survey.groups):,}"
        f" ({survey.count_across(_patient):,} across patients,"
        f" {survey.count_across(_split):,} across splits)",
    ]
    lines += list_some(
        "nearly equal", [" ~ ".join(image.path for image in group) for group in survey.groups]
    )
    return lines + list_some("does not decode", survey.undecodable)


def _describe_baselines(baselines: Sequence[LabelBaseline]) -> list[str]:
    if not baselines:
        return ["  metadata alone: nothing to tell (no two classes of 20 images, or no metadata)"]
    return [
        f"  metadata alone ({', '.join(one.baseline.columns)}) tell {one.label}:"
        f" AUC {one.baseline.auc}{_name_best(one)}"
        for one in baselines
    ]


def _name_best(one: LabelBaseline) -> str:
    best = one.best_told
    return f"; best {best[0]}, from the rest {best[1]:.3f}" if best else ""


def _shorten(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_SOURCES
    return ", ".join(names[:SHOWN_SOURCES]) + (f" and {more} more" if more > 0 else "")


def _count_sizes(survey: ImageSurvey) -> dict[str, int]:
    counts: dict[str, int] = {}
    for image in survey.images:
        name = "unknown" if image.size is None else f"{image.size[0]}×{image.size[1]}"
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def _patient(study: Study) -> str | None:
    return study["patient_id"]


def _split(study: Study) -> str | None:
    return study.get("split")
