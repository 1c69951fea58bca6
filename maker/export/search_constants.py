"""An index as constants of a graph, which every signature shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.graph.flatbuffer import Chunks
from maker.graph.int8 import int8_table
from maker.index.build import Index
from maker.index.rows import RowCoder, fine_coder, row_coder

FAR = np.float32(3e38)  # the distance of "no further neighbour"


@dataclass(frozen=True)
class Vectors:
    """What scores leaves or groups of leaves for a query q: `scale * values @ q + bias`.

    Attributes:
        values: `(l, d)` float32, `(g, d)` int8, or `(g, m, d)` int8 for at most m leaves in each of g groups.
        bias: `(l,)`, `(g,)` or `(g, m)` float32; too low for any query where a group has fewer leaves.
        scale: Of int8 values: one for all, so that a FULLY_CONNECTED gives scores and nothing is left to do.
    """

    values: np.ndarray
    bias: np.ndarray
    scale: float | None = None


@dataclass(frozen=True)
class Leaves:
    """How the leaves to scan are picked.

    Attributes:
        vectors: Of the leaves, in groups where there are groups.
        numbers: `(g, m)` int32, the number of each leaf; None without groups.
        groups: Of the groups; None without.
    """

    vectors: Vectors
    numbers: np.ndarray | None = None
    groups: Vectors | None = None


@dataclass(frozen=True)
class RowTable:
    """The rows of an index as one coder stores them, `c` blocks (leaves, where there are any) of `b` rows.

    Attributes:
        coder: How rows are stored.
        rows: `(c, b, width)` as `maker.index.rows.Codes` says; `(c * b, width)` where rows are picked one by one.
        steps: `(c, b)` uint8 or float32; None for rows without.
        norms: `(c, b)` float32 squared norm of each row as stored; None for dot products.
    """

    coder: RowCoder
    rows: Chunks
    steps: np.ndarray | None
    norms: np.ndarray | None

    @property
    def scale(self) -> float | None:
        """Of the tensor: int8 rows carry the unit of their steps."""
        return self.coder.unit if self.rows.dtype == np.int8 else None


@dataclass(frozen=True)
class SearchConstants:
    """An index as constants that every signature shares.

    Attributes:
        index: What they were made from.
        scanned: The rows that a query scans.
        fine: Finer rows, by which the best of those are scored again; None where there are none.
        ids: `(c, b)` int32, -1 where a row is padding; None where row i is item i.
        leaves: What scores leaves; None where everything is scanned.
        everything: `(c,)` int32, the number of each block.
    """

    index: Index
    scanned: RowTable
    fine: RowTable | None
    ids: np.ndarray | None
    leaves: Leaves | None
    everything: np.ndarray


def search_constants(index: Index) -> SearchConstants:
    """Lays an index out; its rows are coded when they are written, so that they never lie in memory together."""
    shape = (index.blocks, index.block)
    ids = None
    if _has_ids(index):
        ids = np.full(shape, -1, np.int32)
        ids.reshape(-1)[: len(index.order)] = index.order
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
    steps: np.ndarray | None = None if coder.step_type is None else np.zeros(shape, coder.step_type)
    norms = np.zeros(shape, np.float32) if index.distance == "squared_l2" else None
    at = 0
    for block in index.row_blocks() if steps is not None or norms is not None else ():
        codes = coder.encode(block, at)
        if steps is not None and codes.steps is not None:
            steps.reshape(-1)[at : at + len(block)] = codes.steps
        if norms is not None:
            stored = coder.decode(codes, at)
            norms.reshape(-1)[at : at + len(block)] = np.einsum("nd,nd->n", stored, stored)
        at += len(block)
    return RowTable(coder, Chunks(_coded(coder), (*shape, coder.width), coder.dtype), steps, norms)


def index_bytes(coder: RowCoder) -> int:
    """What `search_constants` stores of an index, but for constants that each signature has of its own; no row is coded for it."""
    index = coder.index
    fine = fine_coder(index)
    row = _row_bytes(coder) + (0 if fine is None else _row_bytes(fine))
    row += np.dtype(np.int32).itemsize if _has_ids(index) else 0
    parts: list[np.ndarray | None] = []
    leaves = _leaves(index)
    if leaves is not None:
        parts += [leaves.vectors.values, leaves.vectors.bias, leaves.numbers]
        parts += [leaves.groups.values, leaves.groups.bias] if leaves.groups else []
    if coder.bases is not None:
        parts += [coder.bases.rows, coder.bases.steps]
    if index.codebooks is not None:
        parts.append(index.codebooks.entries)
    return index.blocks * index.block * row + sum(part.nbytes for part in parts if part is not None)


def _row_bytes(coder: RowCoder) -> int:
    size = coder.width * np.dtype(coder.dtype).itemsize
    size += 0 if coder.step_type is None else np.dtype(coder.step_type).itemsize
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
    groups, most = len(counts), int(counts.max())
    place = np.arange(len(vectors)) - np.repeat(np.cumsum(counts) - counts, counts)

    def table(values: np.ndarray, filling: float) -> np.ndarray:
        padded = np.full((groups, most, *values.shape[1:]), filling, values.dtype)
        padded[index.group_of, place] = values
        return padded

    codes, scale = int8_table(vectors)
    of_groups, group_scale = int8_table(index.groups.vectors)
    return Leaves(
        Vectors(table(codes, 0), table(bias, -float(FAR)), scale),
        numbers=table(np.arange(len(vectors), dtype=np.int32), 0),
        groups=Vectors(of_groups, index.groups.bias, group_scale),
    )


def _coded(coder: RowCoder) -> Iterator[np.ndarray]:
    at = 0
    for block in coder.index.row_blocks():
        yield coder.encode(block, at).rows
        at += len(block)
    yield np.zeros((coder.index.padding, coder.width), coder.dtype)
