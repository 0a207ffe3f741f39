"""How alike two small images are when one is laid over the other: shifted, cropped, mirrored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter

THUMBNAIL_SIDE = 64
CROPS = (0.0, 0.015, 0.03, 0.05)
"""Shares of the side that one of the two may lack at each edge."""
MOST_SHIFT = 5
"""Pixels of the thumbnail by which the other may be shifted."""

LOCAL_SIGMA = 3.0
SPREAD_SIGMA = 4.5
LEAST_VARIANCE = 4.0
"""Detail is what is left of grey values without their surroundings, in units of its spread there:
so that gamma, windows and histogram equalisation change little. Grain of fewer grey levels
than the square root of LEAST_VARIANCE counts less."""

PAIRS_AT_ONCE = 512

Thumbnails = NDArray[np.uint8]
"""Small grey images [n, 64, 64]."""
Floats = NDArray[np.float32]


def measure_likeness(
    thumbnails: Thumbnails, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Give the best correlation, 0 to 1, of each pair of rows over crops, shifts and mirroring.

    The sign does not count, so that an inverted copy is as alike as the image.
    """
    found = [np.zeros(0)]
    for start in range(0, len(first), PAIRS_AT_ONCE):
        pairs = np.stack([first, second])[:, start : start + PAIRS_AT_ONCE]
        rows, place = np.unique(pairs, return_inverse=True)
        waves, mirrored = _transform(thumbnails[rows])
        ours, theirs = place.reshape(pairs.shape)
        found += [
            np.array([_best(waves[a], other[b]) for other in (waves, mirrored)]).max(keepdims=True)
            for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)
        ]
    return np.concatenate(found).astype(np.float64)


def _transform(thumbnails: Thumbnails) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Give the spectra [n, crops, …] of the images' detail, and of their mirror images' detail."""
    detail = _keep_detail(thumbnails.astype(np.float32))
    crops = np.stack([[_crop(one, share) for share in CROPS] for one in detail])
    window = np.sqrt(np.hanning(THUMBNAIL_SIDE + 2)[1:-1]).astype(np.float32)
    crops *= np.outer(window, window)
    crops -= crops.mean(axis=(-1, -2), keepdims=True)
    crops /= np.sqrt(np.square(crops).sum(axis=(-1, -2), keepdims=True)) + 1e-6
    return rfft2(crops), rfft2(crops[..., ::-1])


def _keep_detail(images: Floats) -> Floats:
    detail = images - gaussian_filter(images, (0, LOCAL_SIGMA, LOCAL_SIGMA))
    spread = gaussian_filter(np.square(detail), (0, SPREAD_SIGMA, SPREAD_SIGMA))
    kept: Floats = detail / np.sqrt(spread + LEAST_VARIANCE)
    return kept


def _crop(image: Floats, share: float) -> Floats:
    if not share:
        return image
    low, high = share * THUMBNAIL_SIDE, (1 - share) * THUMBNAIL_SIDE
    sides = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    shown = Image.fromarray(image).resize(
        sides, Image.Resampling.BILINEAR, box=(low, low, high, high)
    )
    return np.asarray(shown)


def _best(ours: NDArray[np.complex64], theirs: NDArray[np.complex64]) -> float:
    """Give the highest correlation of the whole of one with any crop of the other."""
    products = np.concatenate([ours[:1] * theirs.conj(), ours[1:] * theirs[:1].conj()])
    found = np.abs(irfft2(products, s=(THUMBNAIL_SIDE, THUMBNAIL_SIDE)))
    found = np.roll(found, (MOST_SHIFT, MOST_SHIFT), axis=(1, 2))
    return float(found[:, : 2 * MOST_SHIFT + 1, : 2 * MOST_SHIFT + 1].max())
