"""How close embeddings are, in the measure that a run was trained with."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

FloatArray = NDArray[np.float64]
Closeness = Literal["product", "distance"]


def closeness(left: FloatArray, right: FloatArray, measure: Closeness) -> FloatArray:
    """Give how close each row of `left` is to each of `right`, [n, width] and [m, width]: [n, m].

    "product": the inner product, the cosine where rows have unit length. "distance": minus the
    Euclidean distance, as the ranking loss has it with similarity l2.
    """
    found = -cdist(left, right) if measure == "distance" else left @ right.T
    return np.asarray(found, np.float64)
