"""An index as constants of a graph, which all signatures share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.graph.flatbuffer import Chunks
from maker.graph.int8 import int8_table
from maker.index.build import Index
from maker.index.rows import RowCoder, fine_coder, row_coder

FAR = np.float32(3e38)  # distance where there is no further neighbour


@dataclass(frozen=True)
class Vectors:
    """Vectors that score leaves or groups of leaves for a query q: `scale * codes @ q + bias`.

    Attributes:
        codes: `(l, d)` float32, `(g, d)` int8, or `(g, m, d)` int8 for at most m leaves in each of g groups.
        bias: `(l,)`, `(g,)` or `(g, m)` float32; where a group has fewer than m leaves, so low that no query selects the padding.
        scale: One scale for all int8 codes, so that a FULLY_CONNECTED gives the scores without further operators; None for float32.
    """

    codes: np.ndarray
    bias: np.ndarray
    scale: float | None = None


@dataclass(frozen=True)
class Leaves:
    """Constants that select the leaves to scan.

    Attributes:
        vectors: Score the leaves; arranged by group if there are groups.
        numbers: `(g, m)` int32, the number of each leaf; None without groups.
        groups: Score the groups; None without groups.
    """

    vectors: Vectors
    numbers: np.ndarray | None = None
    groups: Vectors | None = None


@dataclass(frozen=True)
class RowTable:
    """The rows of an index as one coder stores them, in `c` blocks (or leaves) of `b` rows.

    Attributes:
        coder: How rows are stored.
        codes: `(c, b, width)` as `maker.index.rows.QuantisedRows` says; `(c * b, width)` if the graph gathers single rows.
        scales: `(c, b)` uint8 or float32; None if rows have no scales.
        norms: `(c, b)` float32 squared norm of each row as stored; None for dot products.
    """

    coder: RowCoder
    codes: Chunks
    scales: np.ndarray | None
    norms: np.ndarray | None

    @property
    def tensor_scale(self) -> float | None:
        """The quantisation scale of the tensor of codes: the unit of the scales for int8 rows, otherwise None."""
        return self.coder.scale_unit if self.codes.dtype == np.int8 else None


@dataclass(frozen=True)
class SearchConstants:
    """An index as constants that all signatures share.

    Attributes:
        index: The index they were made from.
        scanned: The rows that a query scans.
        fine: Finer rows, or the rest, that rescore the best ones; None if the index has none.
        ids: `(c * b,)` int32, -1 where a row is padding; None if row i is item i for all rows.
        leaves: Select the leaves to scan; None if a query scans everything.
        everything: `(c,)` int32, the number of each block.
    """

    index: Index
    scanned: RowTable
    fine: RowTable | None
    ids: np.ndarray | None
    leaves: Leaves | None
    everything: np.ndarray


def search_constants(index: Index) -> SearchConstants:
    """Makes the constants of an index. Rows are quantised when they are written, so that large ones are never all in memory."""
    shape = (index.blocks, index.block)
    ids = None
    if _has_ids(index):
        ids = np.full(index.blocks * index.block, -1, np.int32)
        ids[: len(index.order)] = index.order
    fine = fine_coder(index)
    return SearchConstants(
        index=index,
        scanned=_table(row_coder(index), shape),
        fine=None if fine is None else _table(fine, (index.blocks * index.block,)),
        ids=ids,
        leaves=_leaves(index),
        everything=np.arange(index.blocks, dtype=np.int32),
    )


def _table(coder: RowCoder, shape: tuple[int, ...]) -> RowTable:
    index = coder.index
    scales: np.ndarray | None = None if coder.scale_type is None else np.zeros(shape, coder.scale_type)
    norms = np.zeros(shape, np.float32) if index.distance == "squared_l2" else None
    first = 0
    for block in coder.row_blocks() if scales is not None or norms is not None else ():
        part = slice(first, first + len(block))
        if norms is None and scales is not None:
            scales.reshape(-1)[part] = coder.scales(block, first)
        if norms is not None:
            quantised = coder.encode(block, first)
            if scales is not None:
                scales.reshape(-1)[part] = quantised.scales
            stored = coder.decode(quantised, first)
            norms.reshape(-1)[part] = np.einsum("nd,nd->n", stored, stored)
        first += len(block)
    return RowTable(coder, Chunks(_Codes(coder), (*shape, coder.width), coder.dtype), scales, norms)


def index_bytes(coder: RowCoder) -> int:
    """Size of the constants that `search_constants` makes of an index, without quantising any row.

    Small constants that each signature has for itself are not counted.
    """
    index = coder.index
    fine = fine_coder(index)
    row = _row_bytes(coder) + (0 if fine is None else _row_bytes(fine))
    row += np.dtype(np.int32).itemsize if _has_ids(index) else 0
    parts: list[np.ndarray | None] = []
    leaves = _leaves(index)
    if leaves is not None:
        parts += [leaves.vectors.codes, leaves.vectors.bias, leaves.numbers]
        parts += [leaves.groups.codes, leaves.groups.bias] if leaves.groups else []
    if coder.centroids is not None:
        parts += [coder.centroids.codes, coder.centroids.scales]
    if index.codebooks is not None:
        parts.append(index.codebooks.entries)
    if index.projection is not None:
        parts += [projection.queries for projection in (index.projection, index.rest) if projection is not None]
    return index.blocks * index.block * row + sum(part.nbytes for part in parts if part is not None)


def _row_bytes(coder: RowCoder) -> int:
    size = coder.width * np.dtype(coder.dtype).itemsize
    size += 0 if coder.scale_type is None else np.dtype(coder.scale_type).itemsize
    return size + (np.dtype(np.float32).itemsize if coder.index.distance == "squared_l2" else 0)


def _has_ids(index: Index) -> bool:
    return index.padding > 0 or index.leaves is not None


def _leaves(index: Index) -> Leaves | None:
    if index.leaves is None:
        return None
    vectors, bias = index.leaves.vectors, index.leaves.bias
    if index.groups is None or index.group_of is None:
        return Leaves(Vectors(vectors, bias))
    counts = np.bincount(index.group_of)
    groups, largest = len(counts), int(counts.max())
    place_in_group = np.arange(len(vectors)) - np.repeat(np.cumsum(counts) - counts, counts)

    def by_group(values: np.ndarray, padding: float) -> np.ndarray:
        table = np.full((groups, largest, *values.shape[1:]), padding, values.dtype)
        table[index.group_of, place_in_group] = values
        return table

    codes, scale = int8_table(vectors)
    group_codes, group_scale = int8_table(index.groups.vectors)
    return Leaves(
        Vectors(by_group(codes, 0), by_group(bias, -float(FAR)), scale),
        numbers=by_group(np.arange(len(vectors), dtype=np.int32), 0),
        groups=Vectors(group_codes, index.groups.bias, group_scale),
    )


class _Codes:
    """The codes of all rows, block by block, padding last; rounded by queries, which takes long, they are kept for the next file."""

    def __init__(self, coder: RowCoder) -> None:
        self._coder = coder
        self._kept: list[np.ndarray] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        if self._kept:
            return iter(self._kept)
        if self._coder.rounding is None:
            return self._encoded()
        self._kept = list(self._encoded())
        return iter(self._kept)

    def _encoded(self) -> Iterator[np.ndarray]:
        first = 0
        for block in self._coder.row_blocks():
            yield self._coder.encode(block, first).codes
            first += len(block)
        yield np.zeros((self._coder.index.padding, self._coder.width), self._coder.dtype)
