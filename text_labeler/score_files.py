"""Scores a label table's file against the files of references, and writes what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from configs.files import write_json
from data_cards.label_table import list_findings, read_label_table
from data_cards.study import Listing
from text_labeler.disagreement_page import check_ending, write_disagreements
from text_labeler.disagreements import find_disagreements, list_patients, read_reports
from text_labeler.gold import Gold, add_patients, read_gold
from text_labeler.score_figure import check_figure_ending, write_forest_plot
from text_labeler.score_sheet import ScorePolicy, ScoreSheet, make_sheet, to_json
from text_labeler.scoring import ScoringError


@dataclass(frozen=True)
class Scored:
    """A label table, the references it was scored against, and the scores, by file."""

    path: Path
    labels: pd.DataFrame
    compared: Path | None
    references: dict[Path, Gold]
    sheets: dict[Path, ScoreSheet]


def score_files(
    path: Path,
    gold: Sequence[Path],
    policy: ScorePolicy,
    *,
    compare: Path | None = None,
    listing: Listing | None = None,
) -> Scored:
    """Score a label table against each reference, less another table if there is one.

    Studies of one patient count together where the reference, or else the listing, names patients.
    """
    labels = read_label_table(path)
    other = None if compare is None else read_label_table(compare)
    references = {file: read_gold(file, list_findings(labels.columns)) for file in gold}
    if listing is not None:
        patients = list_patients(listing)
        references = {file: add_patients(one, patients) for file, one in references.items()}
    sheets = {
        file: make_sheet(labels, one, policy, other=other) for file, one in references.items()
    }
    return Scored(path, labels, compare, references, sheets)


@dataclass(frozen=True)
class ScoreOutputs:
    """The files to write, None for those that nobody asked for."""

    json: Path | None = None
    disagreements: Path | None = None
    figure: Path | None = None

    def check(self, *, has_reports: bool) -> None:
        """Raise ScoringError for what cannot be written, before anything is scored."""
        if self.figure is not None:
            check_figure_ending(self.figure)
        if self.disagreements is not None:
            check_ending(self.disagreements)
            if not has_reports:
                raise ScoringError(
                    f"{self.disagreements}: disagreements need the reports that were labelled"
                    " (--reports, and --root for a corpus)"
                )

    def write(self, scored: Scored, policy: ScorePolicy, listing: Listing | None) -> Iterator[str]:
        """Write the files; give a line to print for each."""
        if self.json is not None:
            write_json(self.json, _describe(scored, policy))
            yield f"{self.json}: all numbers"
        if self.figure is not None:
            with_findings = [sheet for sheet in scored.sheets.values() if sheet.aspects]
            if len(with_findings) != 1:
                raise ScoringError(
                    f"{self.figure}: {len(with_findings)} references score findings; a figure"
                    " shows one"
                )
            write_forest_plot(self.figure, with_findings[0], alone=policy.alone)
            yield f"{self.figure}: F1 with its intervals"
        if self.disagreements is not None and listing is not None:
            number = self._write_disagreements(self.disagreements, scored, policy, listing)
            yield f"{self.disagreements}: {number} disagreements. THIS FILE HOLDS REPORT TEXT."

    @staticmethod
    def _write_disagreements(
        path: Path, scored: Scored, policy: ScorePolicy, listing: Listing
    ) -> int:
        found = [
            one
            for gold in scored.references.values()
            for one in find_disagreements(scored.labels, gold, uncertain_as=policy.uncertain_as)
        ]
        names = ", ".join(file.name for file in scored.references)
        write_disagreements(
            path,
            found,
            read_reports(listing, found),
            title=f"{scored.path.name} against {names}",
            seed=policy.seed,
        )
        return len(found)


def _describe(scored: Scored, policy: ScorePolicy) -> dict[str, object]:
    return {
        "labels": str(scored.path),
        "compared": None if scored.compared is None else str(scored.compared),
        "policy": to_json(policy),
        "scores": [
            {"reference": str(file), **to_json(sheet)} for file, sheet in scored.sheets.items()
        ],
    }
