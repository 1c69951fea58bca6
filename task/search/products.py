"""Dot products of many rows with one query."""

from __future__ import annotations

import numpy as np

SINGLE = 9000  # values; OpenBLAS splits larger matrices over threads, which wait for each other on a busy machine


def products(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The dot products of `(n, d)` float32 rows with a `(d,)` float32 query, `(n,)` float32, computed on one thread."""
    count, width = rows.shape
    block = max(1, SINGLE // max(width, 1))
    whole = count // block * block
    dots = np.empty(count, np.float32)
    np.matmul(rows[:whole].reshape(-1, block, width), query, out=dots[:whole].reshape(-1, block))
    np.matmul(rows[whole:], query, out=dots[whole:])
    return dots
