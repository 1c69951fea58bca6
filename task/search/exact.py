"""Scores stored rows outside of the graph, with the same arithmetic, for searches with a filter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..format.stored_rows import StoredRows
from .nearest import nearest
from .products import products

BLOCK = 4096  # rows converted to float32 at a time, so that they stay in the cache
WIDER = 1.5  # rows are read as one stretch if it has at most so many times as many
DENSE = 8  # if at least one in eight items is allowed, rows are found by a mask over all items, else item by item
MAX_CODE = np.float32(127)
MOST_COPIED = 16 << 20  # bytes of rows that are copied together; they are kept for the next query with the same filter


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Chosen items: their row numbers, ascending, and where these are read.

    Attributes:
        items: The ids, as they were given.
        numbers: `(n,)` row numbers.
        rows: A copy of the chosen rows, in their order, if they are few; else None.
    """

    items: np.ndarray
    numbers: np.ndarray
    rows: StoredRows | None


class ExactScorer:
    """Scores the rows of an index; thread-safe.

    The hybrid FULLY_CONNECTED in the graph quantises the query to int8 before it multiplies it with the bases of 4-bit rows. This class
    does the same, so that an item has the same distance in both, except for the order in which floats are added.
    """

    def __init__(self, rows: StoredRows, distance: str) -> None:
        """Takes the rows; `distance` is `dot_product` or `squared_l2`."""
        self._rows, self._l2 = rows, distance == "squared_l2"
        self._lock = threading.Lock()
        self._row_of: np.ndarray | None = None
        self._last: _Chosen | None = None

    def nearest(self, query: np.ndarray, items: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest among some items.

        Args:
            query: `(d,)` float32.
            items: Ascending, unique item numbers. If the array is read-only, its rows are found once for queries that follow.
            count: Maximum number of results.

        Returns:
            Item numbers, int64, and their distances, float32; the nearest first.
        """
        chosen = self._chosen(items)
        distances = self._distances(query, chosen)
        best = nearest(chosen.numbers, distances, count)
        return self._rows.items[chosen.numbers[best]].astype(np.int64), distances[best]

    def decode(self, items: np.ndarray, target: np.ndarray) -> None:
        """Writes the stored embeddings of items to `target`, `(n, d)` float32; `items` are ascending."""
        rows = self._rows_of(items)
        places = np.searchsorted(items, self._rows.items[rows])
        for start in range(0, len(rows), BLOCK):
            target[places[start : start + BLOCK]] = self._rows.decode(rows[start : start + BLOCK])

    def _chosen(self, items: np.ndarray) -> _Chosen:
        last = self._last
        if last is not None and last.items is items:
            return last
        numbers = self._rows_of(items)
        few = len(numbers) * self._rows.rows.itemsize * self._rows.rows.shape[1] <= MOST_COPIED
        chosen = _Chosen(items, numbers, self._rows.taken(numbers) if few else None)
        if not items.flags.writeable:
            self._last = chosen
        return chosen

    def _rows_of(self, items: np.ndarray) -> np.ndarray:
        """The row numbers of items, ascending."""
        numbers = self._rows.items
        if len(items) * DENSE >= len(numbers):
            # One more place than items, for the -1 of padding rows.
            mask = np.zeros(len(numbers) + 1, np.bool_)
            mask[items] = True
            return np.flatnonzero(mask[numbers])
        with self._lock:
            if self._row_of is None:
                self._row_of = np.empty(len(numbers) + 1, np.int32)
                self._row_of[numbers] = np.arange(len(numbers), dtype=np.int32)
        return np.sort(self._row_of[items])

    def _distances(self, query: np.ndarray, chosen: _Chosen) -> np.ndarray:
        """The distances of the rows, `(n,)` float32."""
        count = len(chosen.numbers)
        distances = np.empty(count, np.float32)
        query_norm = np.float32(query @ query)
        rows = self._rows if chosen.rows is None else chosen.rows
        dots_of = _scorer(query, rows, min(int(WIDER * BLOCK), len(rows.rows)))
        for start in range(0, count, BLOCK):
            end = min(start + BLOCK, count)
            where, picked = (slice(start, end), None) if chosen.rows is not None else _place(chosen.numbers[start:end])
            dots = dots_of(where)
            if self._l2:
                stored = rows.decode(where)
                dots = np.minimum(2 * dots - np.einsum("nd,nd->n", stored, stored) - query_norm, 0)
            np.negative(dots if picked is None else dots[picked], out=distances[start:end])
        return distances


def _scorer(query: np.ndarray, rows: StoredRows, most: int) -> Callable[[np.ndarray | slice], np.ndarray]:
    """A function for the dot products of at most `most` of the rows with the query."""
    scorer = _part_scorer(query if rows.directions is None else products(rows.directions, query), rows, most)
    if rows.rest is None:
        return scorer
    of_rest = _scorer(query, rows.rest, most)
    return lambda where: scorer(where) + of_rest(where)


def _part_scorer(query: np.ndarray, rows: StoredRows, most: int) -> Callable[[np.ndarray | slice], np.ndarray]:
    """As `_scorer`, for rows that are not split."""
    if rows.entries is not None:
        table = _table(query, rows.entries)
        return lambda where: table[np.arange(len(table)), rows.stored(where)].sum(axis=1, dtype=np.float32)
    bases = None
    if rows.bases is not None and rows.base_scales is not None:
        codes, scale = rounded(query) if rows.kind == "int4" else (query, np.float32(1))
        bases = products(rows.bases.astype(np.float32), codes) * scale * rows.base_scales[:, 0]
    if rows.kind == "int4":

        def of_nibbles(where: np.ndarray | slice) -> np.ndarray:
            dots = products(rows.codes(where), query) * rows.scales(where)
            return dots if bases is None else dots + bases[rows.blocks(where)]

        return of_nibbles
    space = np.empty((most, rows.rows.shape[1]), np.float32)

    def of_rows(where: np.ndarray | slice) -> np.ndarray:
        stored = rows.stored(where)
        values = space[: len(stored)]
        np.copyto(values, stored)
        scales = rows.scales(where)
        dots = products(values, query) if scales is None else products(values, query) * scales
        return dots if bases is None else dots + bases[rows.blocks(where)]

    return of_rows


def _place(numbers: np.ndarray) -> tuple[np.ndarray | slice, np.ndarray | None]:
    """Where to read ascending row numbers, and which of the rows there they are; None for all.

    Where few rows between them are left out, reading these too takes less time than picking the others.
    """
    first, last = int(numbers[0]), int(numbers[-1])
    span = last - first + 1
    if span > WIDER * len(numbers):
        return numbers, None
    return slice(first, last + 1), None if span == len(numbers) else numbers - first


def _table(query: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """The dot product of each codebook entry with its part of the query, `(blocks, entries)`."""
    blocks, _, width = entries.shape
    padded = np.zeros(blocks * width, np.float32)
    padded[: len(query)] = query
    return np.einsum("bew,bw->be", entries, padded.reshape(blocks, width))


def rounded(query: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Quantises a query as hybrid kernels of TensorFlow Lite do (SymmetricQuantizeFloats): float32 codes in `[-127, 127]` and a scale."""
    largest = np.abs(query).max(initial=np.float32(0))
    if largest == 0:
        return np.zeros_like(query), np.float32(1)
    scaled = query * (MAX_CODE / largest)
    return np.trunc(scaled + np.copysign(np.float32(0.5), scaled)), largest / MAX_CODE
