"""Everything that the demo did, and its arms' test images against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.phantom.settings import PhantomSettings
from data_cards.study import Listing
from joint.predictions import CALIBRATED, RAW, read_predictions
from joint.run import RunResult
from joint.run_settings import RunSettings
from vision.grader import Grader


@dataclass(frozen=True)
class DemoRecord:
    """Everything that the demo did, for its page.

    truth: what `read_truth` gives; labels: the mined label table, at `label_path`. arms: by
    name, the first is the joint model, whose grader graded `files` into `records`. settings:
    the joint arm's. seconds: by stage.
    """

    listing: Listing
    phantom: PhantomSettings
    truth: pd.DataFrame
    labels: pd.DataFrame
    label_path: Path
    arms: Mapping[str, RunResult]
    settings: RunSettings
    grader: Grader
    files: Sequence[Path]
    records: Sequence[Mapping[str, object]]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class TestGrades:
    """The arms' test images against the truth.

    calibrated, raw: by arm [n, 4]; levels: the true grades [n]; patients: n ids.
    """

    calibrated: Mapping[str, NDArray[np.float64]]
    raw: Mapping[str, NDArray[np.float64]]
    levels: NDArray[np.int64]
    patients: list[str]

    @classmethod
    def of(cls, record: DemoRecord) -> TestGrades:
        """Take the test images of every arm, which are the same in the same order."""
        frames = {}
        for name, result in record.arms.items():
            frame = read_predictions(result.folder.predictions)
            frames[name] = frame[frame["split"] == "test"]
        first = next(iter(frames.values()))
        truth = record.truth.set_index("study_id")["severity"]
        return cls(
            {name: frame[list(CALIBRATED)].to_numpy() for name, frame in frames.items()},
            {name: frame[list(RAW)].to_numpy() for name, frame in frames.items()},
            truth.loc[first["study_id"]].to_numpy(np.int64),
            list(first["patient_id"]),
        )
