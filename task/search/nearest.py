"""The smallest of many distances."""

from __future__ import annotations

import numpy as np


def nearest(rows: np.ndarray, distances: np.ndarray, count: int) -> np.ndarray:
    """Positions of the smallest distances, ascending, ties by `rows`; those that are no number are left out."""
    if len(distances) > count:
        limit = np.partition(distances, count - 1)[count - 1]  # NaN sorts last
        candidates = np.flatnonzero(~(distances > limit) & ~np.isnan(distances))
    else:
        candidates = np.flatnonzero(~np.isnan(distances))
    order = np.lexsort((rows[candidates], distances[candidates]))
    return candidates[order[:count]]
