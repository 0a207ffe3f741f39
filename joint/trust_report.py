"""Checks without which a test number may mean nothing: leaks between splits, and shortcuts.

A check is a function that gives a TrustCheck; another control (such as images without lungs)
is one more of them in `check_trust`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data_cards.study import Listing
from joint.near_reports import NEAR_SHARE, find_near
from joint.prepare import PreparedData
from joint.subgroups import NOT_KNOWN
from joint.targets import severity_targets
from joint.trust.check import TrustCheck, Verdict
from joint.trust.leaks import check_patients
from vision.intervals import Interval, bootstrap
from vision.weighted_metrics import weighted_auc

METADATA_LIMIT = 0.70
METADATA_MARGIN = 0.05
"""Metadata alone that reach this AUC, or come this close to the model's, are warned of."""

ADULT_YEARS = 18


def check_trust(
    prepared: PreparedData,
    listing: Listing,
    model_auc: float | None,
    *,
    seed: int,
    resamples: int = 1000,
) -> tuple[TrustCheck, ...]:
    """Run every check on the data of a run.

    model_auc: the run's AUC 0v123 against the report's grade, which metadata alone are held
    against; None where the test set does not define it.
    """
    metadata = list_metadata(prepared, listing)
    auc = metadata_auc(prepared, metadata, seed=seed, resamples=resamples)
    return (
        check_patients(prepared.studies),
        check_images(prepared),
        check_reports(prepared.studies),
        judge_metadata(auc, model_auc, list(metadata.columns)),
        check_ages(listing, prepared.studies),
    )


def check_images(prepared: PreparedData) -> TrustCheck:
    """Look for test or validation images whose file is in training too, byte for byte."""
    hashes = prepared.cache.index.set_index("row")["sha256"]
    files = hashes.loc[prepared.images["cache_row"]].to_numpy()
    held_out = np.concatenate([prepared.rows("validate"), prepared.rows("test")])
    known = set(files[prepared.rows("train")])
    repeated = sum(file in known for file in files[held_out])
    return TrustCheck(
        "Images apart",
        "error" if repeated else "passed",
        f"{repeated:,} of {len(held_out):,} validation and test images are training images, byte"
        " for byte",
        "Collections are repackaged; the same image under another name is still the same.",
    )


def check_reports(studies: pd.DataFrame) -> TrustCheck:
    """Count test reports that training has as well, and those that it nearly has.

    The same: but for case, numbers and punctuation. Nearly: `near_reports.find_near`.
    """
    said = studies[studies["text"].notna()]
    words = said["text"].map(strip_to_words)
    known = set(words[said["split"] == "train"])
    test = words[said["split"] == "test"]
    repeated = int(test.isin(known).sum())
    near = sum(find_near(list(test), sorted(known)))
    return TrustCheck(
        "Reports apart",
        "warning" if near else "passed",
        f"{near:,} of {len(test):,} test reports are nearly in training too ({NEAR_SHARE:.0%} of"
        f" their phrases shared), {repeated:,} of them the same but for case, numbers and"
        " punctuation",
        "Grading never reads a report, so this is no leak into grades; but retrieval on such"
        " reports is easier, and stock sentences count for more.",
    )


def strip_to_words(text: str) -> str:
    """Leave the words of a report: no case, number or punctuation, one space between."""
    return " ".join(re.findall(r"[^\W\d_]+", text.casefold()))


def list_metadata(prepared: PreparedData, listing: Listing) -> pd.DataFrame:
    """Give what is known of each image but its pixels and report, as numbers.

    sex, age, view and the number of images in the study, where the corpus has them: one row per
    row of `prepared.images`, one column per view or sex and one for missing ages.
    """
    columns = ["study_id", "sex", "age", "images"]
    facts = {s["study_id"]: s for s in listing.studies.select_columns(columns)}
    names = prepared.studies["study_id"].to_numpy()[prepared.images["study"].to_numpy()]
    studies = [facts[name] for name in names]
    views = [s["images"][n]["view"] for s, n in zip(studies, prepared.images["image"], strict=True)]
    ages = pd.Series([s["age"] for s in studies], dtype=float)
    table = pd.DataFrame({"age": ages.fillna(ages.mean() if ages.notna().any() else 0.0)})
    table["age not known"] = ages.isna().astype(float)
    table["images of the study"] = [float(len(s["images"])) for s in studies]
    words = pd.DataFrame(
        {
            "sex": [s["sex"] or NOT_KNOWN for s in studies],
            "view": [view.upper() if view else NOT_KNOWN for view in views],
        }
    )
    table = pd.concat([table, pd.get_dummies(words, dtype=float)], axis=1)
    return table.loc[:, table.nunique() > 1]


def metadata_auc(
    prepared: PreparedData, metadata: pd.DataFrame, *, seed: int, resamples: int
) -> Interval | None:
    """Grade test images from metadata alone: AUC of "above 0", by the report's grade.

    A logistic regression on training images. None where metadata are constant, or where training
    or test lacks a side.
    """
    severity = severity_targets(prepared.labels)
    study = prepared.images["study"].to_numpy()
    known = severity.known[study]
    above = severity.values[study].argmax(axis=1) > 0
    train, test = (rows[known[rows]] for rows in (prepared.rows("train"), prepared.rows("test")))
    is_one_sided = any(len(np.unique(above[rows])) < 2 for rows in (train, test))
    if is_one_sided or not metadata.shape[1]:
        return None
    values = metadata.to_numpy()
    baseline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    baseline.fit(values[train], above[train])
    scores: NDArray[np.float64] = baseline.predict_proba(values[test])[:, 1]
    patients = prepared.studies["patient_id"].to_numpy()[study[test]].tolist()
    found = bootstrap(
        lambda weights: {"auc": weighted_auc(scores, above[test], weights)},
        patients,
        images=len(test),
        seed=seed,
        resamples=resamples,
    )
    return found["auc"]


def judge_metadata(
    auc: Interval | None, model_auc: float | None, columns: Sequence[str]
) -> TrustCheck:
    """Hold metadata alone against the model (Zech et al. 2018: the hospital alone gave 0.86)."""
    name, why = (
        "Metadata alone",
        "What sex, age, view and the number of images give away, a network may read from the image"
        " without looking at the lungs.",
    )
    if auc is None:
        found = "the corpus has no metadata that vary, or too few graded images"
        return TrustCheck(name, "not checked", found, why)
    is_close = model_auc is not None and auc.value >= model_auc - METADATA_MARGIN
    found = f"AUC 0v123 {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}] from {len(columns)} columns"
    if model_auc is not None:
        found += f"; the model {model_auc:.3f}, against the report's grade"
    is_suspect = auc.value >= METADATA_LIMIT or is_close
    return TrustCheck(name, "warning" if is_suspect else "passed", found, why)


def check_ages(listing: Listing, studies: pd.DataFrame) -> TrustCheck:
    """Say whether children and adults are mixed."""
    ages = pd.Series(listing.studies["age"][:], dtype=float).dropna()
    name, why = "One age group", "Children's images differ; a class full of them is easily told."
    if not len(ages):
        return TrustCheck(name, "not checked", f"no age of {len(studies):,} studies is known", why)
    young = int((ages < ADULT_YEARS).sum())
    verdict: Verdict = "warning" if 0 < young < len(ages) else "passed"
    return TrustCheck(name, verdict, f"{young:,} of {len(ages):,} studies are of children", why)
