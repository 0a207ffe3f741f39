"""The truth of a phantom corpus, for scoring only: tables and masks.

No reader opens it but `read_phantom_masks`, which names the lung masks to teach segmentation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from data_cards.phantom.render import LUNG_VALUES, SIGN_BITS
from data_cards.study import CorpusError

SIGNS = tuple(SIGN_BITS)


def read_truth(root: Path) -> pd.DataFrame:
    """Return one row per study; the card lists the columns.

    `severity` is what the images show, `reported_severity` (Int8) what the reporter perceived;
    the report says it where `states_severity`. `<finding>` is 0 or 1 in the images,
    `<finding>_reported` (Int8) 1, 0, −1 or missing in the text.
    """
    return _read_table(root / "truth/studies.parquet")


def read_image_truth(root: Path) -> pd.DataFrame:
    """Return one row per image: view, strength of each edema sign, and how it was exposed."""
    return _read_table(root / "truth/images.parquet")


def lung_mask(root: Path, image_id: str, *, visible: bool = False) -> npt.NDArray[np.uint8]:
    """Return [size, size]: 0 outside, 1 the patient's right lung, 2 the left.

    Lung behind heart and mediastinum counts, unless only the `visible` lung is asked for; there
    the side follows from the image half. A lateral view has one lung, given as 1.
    """
    values = _read_mask(root, "lung_masks", image_id)
    mask = np.zeros_like(values)
    mask[values == LUNG_VALUES["right"]] = 1
    mask[values == LUNG_VALUES["left"]] = 2
    if not visible:
        hidden = values == LUNG_VALUES["hidden"]
        columns = np.nonzero(mask)[1]
        middle = columns.mean() if (mask == 2).any() and columns.size else values.shape[1]
        mask[hidden] = np.where(np.nonzero(hidden)[1] < middle, 1, 2)
    return mask


def sign_mask(root: Path, image_id: str, sign: str) -> npt.NDArray[np.bool_]:
    """Return where a sign is drawn: [size, size]; `sign` is one of SIGNS.

    `opacity` and `nodule` share a bit, as do `pneumothorax` and `fracture`.
    """
    if sign not in SIGN_BITS:
        raise CorpusError(f"{sign!r}: no such sign. Known: {', '.join(SIGNS)}")
    marked: npt.NDArray[np.bool_] = (_read_mask(root, "sign_masks", image_id) & SIGN_BITS[sign]) > 0
    return marked


def _read_table(file: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise CorpusError(f"{file}: not a readable truth table: {error}") from error
    nullable = {pa.int8(): pd.Int8Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


def _read_mask(root: Path, kind: str, image_id: str) -> npt.NDArray[np.uint8]:
    file = root / "truth" / kind / f"{image_id}.png"
    try:
        with Image.open(file) as image:
            return np.array(image, dtype=np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise CorpusError(f"{file}: no readable mask (made with masks: false?): {error}") from error
