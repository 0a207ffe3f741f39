"""Labelers that are wrong at random, and what they vote."""

from __future__ import annotations

import numpy as np

from text_labeler.label_matrix import LabelMatrix

NOBODY = -1


def plant(seed, studies=2000, accuracies=(0.95, 0.8, 0.75, 0.7), columns=("Edema",)):
    """Truth [columns, studies] and a matrix of labelers that are wrong at random."""
    rng = np.random.default_rng(seed)
    truth, votes = [], []
    for column in columns:
        classes = 4 if column == "edema_severity" else 2
        right = rng.choice(classes, studies, p=(0.4, 0.3, 0.2, 0.1) if classes == 4 else (0.7, 0.3))
        is_right = rng.random((studies, len(accuracies))) < accuracies
        other = (right[:, None] + rng.integers(1, classes, is_right.shape)) % classes
        truth.append(right)
        votes.append(np.where(is_right, right[:, None], other))
    return np.array(truth), make_matrix(columns, votes)


def make_matrix(columns, votes):
    votes = np.array(votes, dtype=np.int8)
    studies, labelers = votes.shape[1:]
    names = tuple(f"labeler {n}" for n in range(labelers))
    return LabelMatrix(tuple(f"s{n}" for n in range(studies)), names, tuple(columns), votes)
