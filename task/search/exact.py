"""Scores stored rows outside of the graph, with the arithmetic of the graph: for searches among chosen items."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from ..format.stored_rows import StoredRows
from .nearest import nearest
from .products import products

BLOCK = 2048  # rows turned into float32 at a time: what stays in the cache
DENSE = 8  # from one in eight items on, rows are found by a mask over all; below, item by item
LARGEST = np.float32(127)


class ExactScorer:
    """Scores any of an index's rows; safe to use from several threads.

    The graph's hybrid FULLY_CONNECTED rounds the query to int8 before it meets the bases of 4-bit rows; so does this, and the distance of
    an item is the same whichever way it was found, but for the order in which floats are added.
    """

    def __init__(self, rows: StoredRows, distance: str) -> None:
        """Takes the rows over; `distance` is `dot_product` or `squared_l2`."""
        self._rows, self._l2 = rows, distance == "squared_l2"
        self._lock = threading.Lock()
        self._row_of: np.ndarray | None = None

    def nearest(self, query: np.ndarray, items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest among some items.

        Args:
            query: `(d,)` float32.
            items: Ascending numbers, each once.
            count: How many at most.

        Returns:
            Items, int64, and their distances, float32; nearest first.
        """
        rows = self._rows_of(items)
        distances = self._distances(query, rows)
        best = nearest(rows, distances, count)
        return self._rows.items[rows[best]].astype(np.int64), distances[best]

    def decode(self, items: np.ndarray, target: np.ndarray) -> None:
        """Writes what is stored of some items to `target`, `(n, d)` float32, in the order of `items`, which ascend."""
        rows = self._rows_of(items)
        places = np.searchsorted(items, self._rows.items[rows])
        for start in range(0, len(rows), BLOCK):
            target[places[start : start + BLOCK]] = self._rows.decode(rows[start : start + BLOCK])

    def _rows_of(self, items: np.ndarray) -> np.ndarray:
        """The ascending numbers of the rows of some items."""
        numbers = self._rows.items
        if len(items) * DENSE >= len(numbers):
            # One place more than there are items, for padding's -1.
            mask = np.zeros(len(numbers) + 1, np.bool_)
            mask[items] = True
            return np.flatnonzero(mask[numbers])
        with self._lock:
            if self._row_of is None:
                self._row_of = np.empty(len(numbers) + 1, np.int32)
                self._row_of[numbers] = np.arange(len(numbers), dtype=np.int32)
        return np.sort(self._row_of[items])

    def _distances(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`(n,)` float32 distances of rows, by their ascending numbers."""
        found = np.empty(len(rows), np.float32)
        query_norm = np.float32(query @ query)
        dots_of = self._scorer(query, min(BLOCK, len(rows)))
        for start in range(0, len(rows), BLOCK):
            part = rows[start : start + BLOCK]
            follow = len(part) == part[-1] - part[0] + 1  # then they are read where they lie
            where = slice(int(part[0]), int(part[-1]) + 1) if follow else part
            dots = dots_of(where)
            if self._l2:
                stored = self._rows.decode(where)
                dots = np.minimum(2 * dots - np.einsum("nd,nd->n", stored, stored) - query_norm, 0)
            np.negative(dots, out=found[start : start + len(part)])
        return found

    def _scorer(self, query: np.ndarray, most: int) -> Callable[[np.ndarray | slice], np.ndarray]:
        """What gives the dot products of at most `most` rows with a query."""
        rows = self._rows
        if rows.entries is not None:
            table = _table(query, rows.entries)
            return lambda where: table[np.arange(len(table)), rows.rows[where]].sum(axis=1, dtype=np.float32)
        if rows.kind == "int4":
            bases = None
            if rows.bases is not None and rows.base_steps is not None:
                whole, step = rounded(query)
                bases = products(rows.bases.astype(np.float32), whole) * step * rows.base_steps[:, 0]

            def of_nibbles(where: np.ndarray | slice) -> np.ndarray:
                dots = products(rows.values(where), query) * rows.real_steps(where)
                return dots if bases is None else dots + bases[rows.blocks(where)]

            return of_nibbles
        space = np.empty((most, rows.rows.shape[1]), np.float32)

        def of_rows(where: np.ndarray | slice) -> np.ndarray:
            stored = rows.rows[where]
            values = space[: len(stored)]
            np.copyto(values, stored)
            steps = rows.real_steps(where)
            return products(values, query) if steps is None else products(values, query) * steps

        return of_rows


def _table(query: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """`(blocks, entries)`: the product of each codebook entry with its part of the query."""
    blocks, _, width = entries.shape
    padded = np.zeros(blocks * width, np.float32)
    padded[: len(query)] = query
    return np.einsum("bew,bw->be", entries, padded.reshape(blocks, width))


def rounded(query: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """A query as TensorFlow Lite's hybrid kernels see it (SymmetricQuantizeFloats): whole values in `[-127, 127]`, float32, and a step."""
    largest = np.abs(query).max(initial=np.float32(0))
    if largest == 0:
        return np.zeros_like(query), np.float32(1)
    scaled = query * (LARGEST / largest)
    return np.trunc(scaled + np.copysign(np.float32(0.5), scaled)), largest / LARGEST
