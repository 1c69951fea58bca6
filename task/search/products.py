"""Dot products of many rows with one query."""

from __future__ import annotations

import numpy as np

SINGLE = 9000  # values; OpenBLAS gives larger matrices to several threads, which wait for each other where the machine is busy


def products(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """`(n,)` dot products of `(n, d)` rows, float32 as the query, by one thread."""
    count, width = rows.shape
    together = max(1, SINGLE // max(width, 1))
    whole = count // together * together
    found = np.empty(count, np.float32)
    np.matmul(rows[:whole].reshape(-1, together, width), query, out=found[:whole].reshape(-1, together))
    np.matmul(rows[whole:], query, out=found[whole:])
    return found
