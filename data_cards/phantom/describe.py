"""Figures of a phantom corpus: prior, report-image agreement, how findings are said.

`python -m data_cards.phantom.describe ROOT` prints them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import cohen_kappa_score

from data_cards.findings import SEVERITY_LEVELS, SEVERITY_NAMES
from data_cards.phantom.rows import IMAGE_FINDINGS
from data_cards.phantom.truth import read_image_truth, read_truth
from data_cards.study import CorpusError


def describe_phantom(root: Path) -> str:
    """Return the figures as Markdown tables; raises CorpusError when the truth is not there."""
    truth, images = read_truth(root), read_image_truth(root)
    return "\n\n".join(
        [
            _counts(truth, images),
            _severity(truth),
            _findings(truth),
        ]
    )


def _counts(truth: pd.DataFrame, images: pd.DataFrame) -> str:
    agrees = truth["severity"] == truth["reported_severity"].astype(int)
    over = (truth["reported_severity"].astype(int) > truth["severity"]).mean()
    kappa = cohen_kappa_score(
        truth["severity"], truth["reported_severity"].astype(int), weights="quadratic"
    )
    splits = truth["split"].value_counts()
    views = images["view"].value_counts()
    rows = {
        "studies": len(truth),
        "patients": truth["patient_id"].nunique(),
        "images": len(images),
        "studies per split": _list(splits),
        "images per view": _list(views),
        "report states the severity": f"{truth['states_severity'].mean():.3f}",
        "… of these hedged": f"{truth.loc[truth['states_severity'], 'hedges_severity'].mean():.3f}",
        "perceived = true severity": f"{agrees.mean():.3f}",
        "over-called / under-called": f"{over:.3f} / {1 - agrees.mean() - over:.3f}",
        "quadratic weighted kappa": f"{kappa:.3f}",
    }
    return _table(("figure", "value"), [(name, str(value)) for name, value in rows.items()])


def _severity(truth: pd.DataFrame) -> str:
    given = truth["reported_severity"].astype(int)
    rows = []
    for level in range(SEVERITY_LEVELS):
        here = truth["severity"] == level
        shares = [f"{(given[here] == other).mean():.2f}" for other in range(SEVERITY_LEVELS)]
        rows.append((f"{level} {SEVERITY_NAMES[level]}", f"{here.mean():.3f}", *shares))
    perceived = (f"perceived {level}" for level in range(SEVERITY_LEVELS))
    return _table(("true severity", "prior", *perceived), rows)


def _findings(truth: pd.DataFrame) -> str:
    rows = []
    for finding in IMAGE_FINDINGS:
        said = truth[f"{finding}_reported"]
        shares = [f"{(said == code).fillna(False).mean():.3f}" for code in (1, -1, 0)]
        rows.append((finding, f"{truth[finding].mean():.3f}", *shares, f"{said.isna().mean():.3f}"))
    return _table(("finding", "drawn", "said", "uncertain", "denied", "not mentioned"), rows)


def _list(counts: pd.Series) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m data_cards.phantom.describe ROOT")
    try:
        sys.stdout.write(describe_phantom(Path(sys.argv[1])) + "\n")
    except CorpusError as error:
        sys.exit(str(error))
