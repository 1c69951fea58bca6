"""Selects the smallest distances."""

from __future__ import annotations

import numpy as np


def nearest(rows: np.ndarray, distances: np.ndarray, count: int) -> np.ndarray:
    """The positions of the `count` smallest distances, ascending; ties go to the lower row. NaN is left out."""
    if len(distances) > count:
        limit = np.partition(distances, count - 1)[count - 1]  # NaN sorts last
        candidates = np.flatnonzero(~(distances > limit) & ~np.isnan(distances))
    else:
        candidates = np.flatnonzero(~np.isnan(distances))
    order = np.lexsort((rows[candidates], distances[candidates]))
    return candidates[order[:count]]
