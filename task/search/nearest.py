"""Selects the smallest distances."""

from __future__ import annotations

import numpy as np

BLOCK = 256


def nearest(rows: np.ndarray, distances: np.ndarray, count: int) -> np.ndarray:
    """The positions of the `count` smallest distances, ascending; ties go to the lower row. NaN is left out."""
    candidates = among_nearest(distances, count)
    order = np.lexsort((rows[candidates], distances[candidates]))
    return candidates[order[:count]]


def among_nearest(distances: np.ndarray, count: int) -> np.ndarray:
    """Ascending positions of few distances that contain the `count` smallest, and all that equal the last of them. NaN is left out."""
    limit = _limit(distances, count)
    return np.flatnonzero(~np.isnan(distances) if np.isnan(limit) else distances <= limit)


def _limit(distances: np.ndarray, count: int) -> float:
    """A distance that the `count` smallest do not exceed; NaN if there are no more, or if too many are NaN."""
    if len(distances) <= count:
        return np.nan
    whole = len(distances) // BLOCK
    if whole < BLOCK or whole < count:
        return float(np.partition(distances, count - 1)[count - 1])  # NaN sorts last
    # In `count` blocks, the least distance is as small as this: a quick bound, below which few others are.
    least = distances[: whole * BLOCK].reshape(whole, BLOCK).min(axis=1)
    return float(np.partition(least, count - 1)[count - 1])
