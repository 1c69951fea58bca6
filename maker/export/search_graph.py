"""The search half of a signature: an embedding in, the k nearest items out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.graph.flatbuffer import Chunks
from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph
from maker.index.build import Index
from maker.index.rows import MIDDLE, RowCoder, row_coder

FAR = np.float32(3e38)  # the distance of "no further neighbour"
# The hybrid kernel that scans int8 rows rounds the query. Its best are scored again with the query as it is, at least that many.
LEAST_RESCORED = 32


@dataclass(frozen=True)
class Leaves:
    """What scores leaves; l leaves of b rows, in g groups of at most m leaves.

    Attributes:
        vectors: `(l, d)` float32 or, with groups, `(g, m, d)` int8.
        bias: `(l,)` or `(g, m)` float32; too low for any query where a group has fewer leaves.
        steps: `(g, m)` float32 step of each int8 vector; None without groups.
        numbers: `(g, m)` int32, the number of each leaf; None without groups.
        groups: `(g, d)` int8, `(1, g)` float32 and `(1, g)` float32: vectors of the groups, their steps and bias; None without.
    """

    vectors: np.ndarray
    bias: np.ndarray
    steps: np.ndarray | None = None
    numbers: np.ndarray | None = None
    groups: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class SearchConstants:
    """An index as constants that every signature shares; `c` blocks (leaves, where there are any) of `b` rows.

    Attributes:
        index: What they were made from.
        coder: How rows are stored.
        rows: `(c, b, width)` as `maker.index.rows.Codes` says.
        steps: `(c, b)` uint8 or float32; None for rows without.
        norms: `(c, b)` float32 squared norm of each row as stored; None for dot products.
        ids: `(c, b)` int32, -1 where a row is padding; None where row i is item i.
        leaves: What scores leaves; None where everything is scanned.
        everything: `(c,)` int32, the number of each block.
    """

    index: Index
    coder: RowCoder
    rows: Chunks
    steps: np.ndarray | None
    norms: np.ndarray | None
    ids: np.ndarray | None
    leaves: Leaves | None
    everything: np.ndarray


def search_constants(index: Index) -> SearchConstants:
    """Lays an index out; its rows are coded when they are written, so that they never lie in memory together."""
    shape = (index.blocks, index.block)
    coder = row_coder(index)
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
    ids = None
    if _has_ids(index):
        ids = np.full(shape, -1, np.int32)
        ids.reshape(-1)[: len(index.order)] = index.order
    return SearchConstants(
        index=index,
        coder=coder,
        rows=Chunks(_coded(coder), (*shape, coder.width), coder.dtype),
        steps=steps,
        norms=norms,
        ids=ids,
        leaves=_leaves(index),
        everything=np.arange(index.blocks, dtype=np.int32),
    )


def index_bytes(coder: RowCoder) -> int:
    """What `search_constants` stores of an index, but for constants that each signature has of its own; no row is coded for it."""
    index = coder.index
    row = coder.width * np.dtype(coder.dtype).itemsize
    row += 0 if coder.step_type is None else np.dtype(coder.step_type).itemsize
    row += np.dtype(np.float32).itemsize if index.distance == "squared_l2" else 0
    row += np.dtype(np.int32).itemsize if _has_ids(index) else 0
    parts: list[np.ndarray | None] = []
    leaves = _leaves(index)
    if leaves is not None:
        parts += [leaves.vectors, leaves.bias, leaves.steps, leaves.numbers, *(leaves.groups or ())]
    if coder.bases is not None:
        parts += [coder.bases.rows, coder.bases.steps]
    if index.codebooks is not None:
        parts.append(index.codebooks.entries)
    return index.blocks * index.block * row + sum(part.nbytes for part in parts if part is not None)


def _has_ids(index: Index) -> bool:
    return index.padding > 0 or index.leaves is not None


def search(g: Subgraph, query: int, constants: SearchConstants, k: int, budget: int | None = None) -> tuple[int, int]:
    """Adds the search to a subgraph.

    Args:
        g: The subgraph.
        query: `[1, d]` float32 tensor.
        constants: The index.
        k: Neighbours to return.
        budget: Leaves to scan; the index's where None.

    Returns:
        `[1, k]` float32 distances, ascending, and `[1, k]` int32 ids, -1 where there is no further neighbour.
    """
    index = constants.index if budget is None else constants.index.with_budget(budget)
    picked = _pick(g, query, constants, index)
    scanned = g.shape(picked)[0] * index.block
    rows = _Rows(g, constants, picked)
    similarity = _similarity(g, query, rows, rows.all())

    # Padding rows lie behind the last item only; taking that many candidates more leaves k real ones when they are put last.
    hybrid = index.scorer == "int8"
    candidates = min((max(k, LEAST_RESCORED) if hybrid else k) + index.padding, scanned)
    best, where = g.top_k(similarity, candidates)
    if constants.ids is None:
        found = where
    else:
        found = g.gather(g.reshape(g.gather(g.constant(constants.ids, "ids"), picked), (scanned,)), where)
    if hybrid:
        best = _similarity(g, query, rows, rows.some(g.reshape(where, (candidates,))))
    if index.padding:
        missing = g.cast(g.minimum(found, np.array(0, np.int32)), np.float32)  # -1 for padding, else 0
        best = g.add(best, g.mul(missing, np.array(FAR)))
    if hybrid or index.padding:
        best, where = g.top_k(best, min(k, scanned))
        found = g.gather(g.reshape(found, (candidates,)), where)
    if index.distance == "squared_l2":
        norm = g.reshape(g.sum(g.mul(query, query), axis=1), (1, 1))
        distances = g.minimum(g.maximum(g.sub(norm, best), np.array(0, np.float32)), np.array(FAR))
    else:
        distances = g.mul(best, np.array(-1, np.float32))
    short = k - g.shape(distances)[1]
    if short:
        distances = g.concat([distances, np.full((1, short), FAR, np.float32)], axis=1)
        found = g.concat([found, np.full((1, short), -1, np.int32)], axis=1)
    return distances, found


def _pick(g: Subgraph, query: int, constants: SearchConstants, index: Index) -> int:
    """The numbers of the blocks to scan, `(budget,)`."""
    leaves = constants.leaves
    if leaves is None:
        # The rows go through GATHER all the same: constant weights would be taken by XNNPACK, which rounds the query differently
        # from the reference kernel of older runtimes.
        return g.constant(constants.everything, "everything")
    if leaves.groups is None or leaves.steps is None or leaves.numbers is None:
        _, best = g.top_k(g.fully_connected(query, leaves.vectors, leaves.bias), index.budget)
        return g.reshape(best, (index.budget,))
    vectors, steps, bias = leaves.groups
    all_groups = g.gather(g.constant(vectors, "group_vectors", 1.0), g.constant(np.arange(len(vectors), dtype=np.int32), "all_groups"))
    _, groups = g.top_k(g.add(g.mul(g.fully_connected(query, all_groups), steps), bias), index.searched)
    groups = g.reshape(groups, (index.searched,))
    count = index.searched * leaves.numbers.shape[1]
    rows = g.gather_blocks(g.constant(leaves.vectors, "leaf_vectors", 1.0), groups)
    scores = g.mul(g.fully_connected(query, rows), g.reshape(g.gather(leaves.steps, groups), (1, count)))
    scores = g.add(scores, g.reshape(g.gather(leaves.bias, groups), (1, count)))
    _, best = g.top_k(scores, index.budget)
    return g.gather(g.reshape(g.gather(leaves.numbers, groups), (count,)), g.reshape(best, (index.budget,)))


class _Rows:
    """The rows of the blocks that a query scans, and what belongs to them."""

    def __init__(self, g: Subgraph, constants: SearchConstants, picked: int) -> None:
        self.g, self.constants, self.picked = g, constants, picked
        (self.blocks,) = g.shape(picked)
        self.count = self.blocks * constants.index.block
        coder = constants.coder
        scale = coder.unit if constants.index.scorer == "int8" else None
        self.values = g.gather_blocks(g.constant(constants.rows, "rows", scale), picked)
        self.steps = self._of_rows(constants.steps, "steps")
        self.norms = self._of_rows(constants.norms, "norms")

    def _of_rows(self, table: np.ndarray | None, name: str) -> int | None:
        if table is None:
            return None
        return self.g.reshape(self.g.gather(self.g.constant(table, name), self.picked), (1, self.count))

    def all(self) -> _Part:
        """All of them, int8 ones to be met by the hybrid kernel."""
        return _Part(self.values, self.steps, self.norms, everything=True)

    def some(self, where: int) -> _Part:
        """Those at some places, `(n,)`, int8 ones as float32."""
        g, shape = self.g, (1, self.g.shape(where)[0])
        values = g.dequantize(g.gather(self.values, where))

        def chosen(table: int | None) -> int | None:
            return None if table is None else g.reshape(g.gather(g.reshape(table, (self.count,)), where), shape)

        return _Part(values, chosen(self.steps), chosen(self.norms), everything=False)


@dataclass(frozen=True)
class _Part:
    """Tensors of some rows: values `[rows, width]`, and `[1, rows]` steps and norms, None where rows have none."""

    values: int
    steps: int | None
    norms: int | None
    everything: bool


def _similarity(g: Subgraph, query: int, rows: _Rows, part: _Part) -> int:
    """`[1, rows]`: the dot product, or 2 x·q - |x|² where distances are squared L2; larger is nearer."""
    index, coder = rows.constants.index, rows.constants.coder
    if index.codebooks is not None:
        dots = _table_sums(g, query, part.values, index.codebooks.entries)
    elif index.scorer == "int4":
        dots = g.mul(_nibble_dots(g, query, part.values), g.constant(np.array(coder.unit, np.float32), "unit"))
    else:
        dots = g.fully_connected(query, part.values)
    if part.steps is not None:
        dots = g.mul(dots, g.cast(part.steps, np.float32) if g.dtype(part.steps) == np.uint8 else part.steps)
    if coder.bases is not None and part.everything:
        bases = coder.bases
        leaf = g.fully_connected(query, g.gather(g.constant(bases.rows, "bases", 1.0), rows.picked))
        leaf = g.mul(g.reshape(leaf, (rows.blocks, 1)), g.gather(g.constant(bases.steps, "base_steps"), rows.picked))
        dots = g.reshape(g.add(g.reshape(dots, (rows.blocks, index.block)), leaf), (1, rows.count))
    if part.norms is not None:
        return g.sub(g.mul(dots, np.array(2, np.float32)), part.norms)
    return dots


def _nibble_dots(g: Subgraph, query: int, rows: int) -> int:
    """`[1, rows]`: dot products with two 4-bit values a byte, each minus 7.5.

    With byte = low + 16 high: q_low·low + q_high·high = q_low·byte + (q_high - 16 q_low)·high, so that only `high` has to be unpacked.
    """
    count, half = g.shape(rows)
    dimension = g.shape(query)[1]
    low = g.slice(query, (0, 0), (1, half))
    high = g.slice(query, (0, half), (1, dimension - half)) if dimension > half else g.constant(np.zeros((1, 0), np.float32))
    if dimension < 2 * half:
        zeros = np.zeros((1, 2 * half - dimension), np.float32)
        high = g.concat([high, zeros], axis=1) if dimension > half else g.constant(zeros)
    values = g.cast(rows, np.float32)
    tops = g.floor(g.mul(values, np.array(1 / 16, np.float32)))
    dots = g.add(g.fully_connected(low, values), g.fully_connected(g.sub(high, g.mul(low, np.array(16, np.float32))), tops))
    middle = g.reshape(g.mul(g.sum(query, axis=1), np.array(MIDDLE, np.float32)), (1, 1))
    return g.sub(dots, middle)


def _table_sums(g: Subgraph, query: int, codes: int, entries: np.ndarray) -> int:
    """`[1, rows]`: dot products by table look-up (asymmetric distance computation; Jégou et al., TPAMI 2011, section III)."""
    blocks, count, width = entries.shape
    padding = blocks * width - g.shape(query)[1]
    if padding:
        query = g.concat([query, np.zeros((1, padding), np.float32)], axis=1)
    products = g.mul(g.reshape(query, (blocks, 1, width)), g.constant(entries, "entries"))
    table = g.reshape(g.sum(products, axis=2), (blocks * count,))
    places = g.add(g.cast(codes, np.int32), (np.arange(blocks) * count).astype(np.int32)[None])
    return g.reshape(g.sum(g.gather(table, places), axis=1), (1, g.shape(codes)[0]))


def _leaves(index: Index) -> Leaves | None:
    if index.leaves is None:
        return None
    vectors, bias = index.leaves.vectors, index.leaves.bias
    if index.groups is None or index.group_of is None:
        return Leaves(vectors, bias)
    counts = np.bincount(index.group_of)
    groups, most = len(counts), int(counts.max())
    place = np.arange(len(vectors)) - np.repeat(np.cumsum(counts) - counts, counts)

    def table(values: np.ndarray, filling: float) -> np.ndarray:
        padded = np.full((groups, most, *values.shape[1:]), filling, values.dtype)
        padded[index.group_of, place] = values
        return padded

    codes, steps = int8_rows(vectors)
    of_groups, group_steps = int8_rows(index.groups.vectors)
    return Leaves(
        vectors=table(codes, 0),
        bias=table(bias, -float(FAR)),
        steps=table(steps, 0),
        numbers=table(np.arange(len(vectors), dtype=np.int32), 0),
        groups=(of_groups, group_steps[None], index.groups.bias[None]),
    )


def _coded(coder: RowCoder) -> Iterator[np.ndarray]:
    at = 0
    for block in coder.index.row_blocks():
        yield coder.encode(block, at).rows
        at += len(block)
    yield np.zeros((coder.index.padding, coder.width), coder.dtype)
