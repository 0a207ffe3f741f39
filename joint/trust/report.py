"""All checks of the trust report that look at images, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from configs.files import write_atomically, write_text
from joint.evaluation.subgroups import FEWEST_IMAGES
from joint.trust.check import TrustCheck
from joint.trust.duplicates import check_duplicates
from joint.trust.external import check_external
from joint.trust.groups import (
    RATES,
    GroupScore,
    check_ages,
    check_groups,
    check_sources,
    measure_groups,
)
from joint.trust.inputs import TrustInputs
from joint.trust.leaks import check_patients
from joint.trust.shortcuts import check_metadata, check_model, check_outside

REPORT_NAME = "README.md"
NEAR_NAME, GROUPS_NAME = "near_duplicates.csv", "subgroups.csv"


def check_image_run(inputs: TrustInputs, folder: Path | None = None) -> tuple[TrustCheck, ...]:
    """Look for leaks between splits and for shortcuts in the images of a run.

    What is found names no patient, study or file. folder: where the report is written, with the
    table of subgroups and, by their paths under `inputs.root`, the near duplicates.
    """
    exact, near, listed = check_duplicates(inputs)
    groups = measure_groups(inputs)
    checks = (
        check_patients(inputs.rows),
        exact,
        near,
        check_metadata(inputs),
        check_outside(inputs),
        *check_model(inputs),
        check_groups(inputs, groups),
        check_sources(inputs),
        check_ages(inputs),
        check_external(inputs),
    )
    if folder is not None:
        _write(folder, checks, groups, listed)
    return checks


def check_leaks(inputs: TrustInputs, folder: Path | None = None) -> tuple[TrustCheck, ...]:
    """Look for leaks between splits alone: all that a run without classes can be asked.

    folder: where the report is written, with the near duplicates.
    """
    exact, near, listed = check_duplicates(inputs)
    checks = (check_patients(inputs.rows), exact, near)
    if folder is not None:
        _write(folder, checks, (), listed)
    return checks


def describe_report(checks: Sequence[TrustCheck], groups: Sequence[GroupScore]) -> str:
    """Put the report into Markdown; it names no patient, study or file."""
    lines = [
        "# Trust report",
        "",
        "| check | verdict | found | why it matters |",
        "|---|---|---|---|",
    ]
    lines += [f"| {c.name} | {c.verdict} | {c.found} | {c.why} |" for c in checks]
    if groups:
        table = tabulate_groups(groups)
        lines += [
            "",
            "## Subgroups of the test set",
            "",
            f"| {' | '.join(map(str, table.columns))} |",
        ]
        lines += ["|---" * len(table.columns) + "|"]
        lines += [f"| {' | '.join(map(str, row))} |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def tabulate_groups(groups: Sequence[GroupScore]) -> pd.DataFrame:
    """Give one row per group: how many, and each metric with its interval."""
    rows = []
    for group in groups:
        shown = {"attribute": group.attribute, "value": group.value}
        sizes: dict[str, int | str]
        sizes = {"images": group.images, "patients": group.patients, "positive": group.positives}
        if group.images < FEWEST_IMAGES:
            # Not how many: the report is for others, and a group of one is a patient.
            sizes = dict.fromkeys(sizes, f"under {FEWEST_IMAGES}")
        row = {**shown, **sizes, "AUC": str(group.auc or "–")}
        for name in RATES:
            rate = group.rates[name]
            row[name] = f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]" if rate else "–"
        rows.append(row)
    return pd.DataFrame(rows)


def _write(
    folder: Path,
    checks: Sequence[TrustCheck],
    groups: Sequence[GroupScore],
    near: pd.DataFrame,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / REPORT_NAME, describe_report(checks, groups))
    for name, table in ((NEAR_NAME, near), (GROUPS_NAME, tabulate_groups(groups))):
        with write_atomically(folder / name) as temporary:
            table.to_csv(temporary, index=False)
