"""The search half of a signature: an embedding in, the k nearest items out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.export.search_constants import FAR, RowTable, SearchConstants
from maker.graph.subgraph import Subgraph
from maker.index.build import Index
from maker.index.rows import MIDDLE, RowCoder

# The hybrid kernel that scans int8 rows rounds the query. Its best are scored again with the query as it is, at least that many.
LEAST_RESCORED = 32
FINELY_RESCORED = 100  # the same where finer rows are kept for it


def rescored(index: Index) -> int:
    """How many of the rows scanned are scored again, at least; 0 for none."""
    return FINELY_RESCORED if index.rescorer else LEAST_RESCORED if index.scorer == "int8" else 0


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
    rows = _Rows(g, constants.scanned, picked)
    similarity = _similarity(g, query, rows.all())

    # Padding rows lie behind the last item only; taking that many candidates more leaves k real ones when they are put last.
    again = rescored(index)
    candidates = min(max(k, again) + index.padding, scanned)
    best, where = g.top_k(similarity, candidates)
    found = where
    if constants.ids is not None:
        found = g.gather(g.reshape(g.gather(g.constant(constants.ids, "ids"), picked), (scanned,)), where)
    if constants.fine is not None:
        best = _similarity(g, query, _finer(g, constants.fine, _row_numbers(g, picked, where, index.block)))
    elif again:
        best = _similarity(g, query, rows.some(where))
    if index.padding:
        missing = g.cast(g.minimum(found, np.array(0, np.int32)), np.float32)  # -1 for padding, else 0
        best = g.add(best, g.mul(missing, np.array(FAR)))
    if again or index.padding:
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


def nothing_where_nothing_is_asked(g: Subgraph, embedding: int, distances: int, ids: int) -> tuple[int, int]:
    """No neighbours for a text without a word, whose embedding is zero: all items would be as near, and the first ones would be found."""
    squares = g.sum(g.mul(embedding, embedding), axis=1)
    empty = g.equal(squares, np.array(0, np.float32))
    ids = g.sub(g.mul(g.add(ids, np.array(1, np.int32)), g.sub(np.array(1, np.int32), empty)), np.array(1, np.int32))
    return g.add(distances, g.mul(g.cast(empty, np.float32), np.array(FAR))), ids


def _pick(g: Subgraph, query: int, constants: SearchConstants, index: Index) -> int:
    """The numbers of the blocks to scan, `(budget,)`."""
    leaves = constants.leaves
    if leaves is None:
        # The rows go through GATHER all the same: constant weights would be taken by XNNPACK, which rounds the query differently
        # from the reference kernel of older runtimes.
        return g.constant(constants.everything, "everything")
    of_leaves, groups = leaves.vectors, leaves.groups
    if groups is None or leaves.numbers is None:
        _, best = g.top_k(g.fully_connected(query, of_leaves.values, of_leaves.bias), index.budget)
        return g.reshape(best, (index.budget,))
    every = g.constant(np.arange(len(groups.values), dtype=np.int32), "every_group")
    vectors = g.gather(g.constant(groups.values, "group_vectors", groups.scale), every)
    _, best = g.top_k(g.fully_connected(query, vectors, groups.bias), index.searched)
    best = g.reshape(best, (index.searched,))
    vectors = g.gather_blocks(g.constant(of_leaves.values, "leaf_vectors", of_leaves.scale), best)
    count, _ = g.shape(vectors)
    bias, numbers = (g.reshape(g.gather(table, best), (count,)) for table in (of_leaves.bias, leaves.numbers))
    _, best = g.top_k(g.fully_connected(query, vectors, bias), index.budget)
    return g.gather(numbers, g.reshape(best, (index.budget,)))


@dataclass(frozen=True)
class _Part:
    """Tensors of some rows.

    Attributes:
        coder: How they are stored.
        values: `[rows, width]`.
        steps, norms: `[1, rows]` float32; None where rows have none.
        blocks: `[blocks]`, the numbers of the blocks of rows that these are; None for rows that are float32 by now.
    """

    coder: RowCoder
    values: int
    steps: int | None
    norms: int | None
    blocks: int | None


class _Rows:
    """The rows of the blocks that a query scans, and what belongs to them."""

    def __init__(self, g: Subgraph, table: RowTable, picked: int) -> None:
        self.g, self.coder, self.picked = g, table.coder, picked
        self.count = g.shape(picked)[0] * table.coder.index.block
        self.values = g.gather_blocks(g.constant(table.rows, "rows", table.scale), picked)
        self.steps = self._of_rows(table.steps, "steps")
        self.norms = self._of_rows(table.norms, "norms")

    def _of_rows(self, table: np.ndarray | None, name: str) -> int | None:
        if table is None:
            return None
        return _real(self.g, self.g.reshape(self.g.gather(self.g.constant(table, name), self.picked), (1, self.count)))

    def all(self) -> _Part:
        """All of them, int8 ones to be met by the hybrid kernel."""
        return _Part(self.coder, self.values, self.steps, self.norms, self.picked)

    def some(self, where: int) -> _Part:
        """Those at some places, `(1, n)`, int8 ones as float32."""
        g = self.g

        def chosen(table: int | None) -> int | None:
            return None if table is None else g.gather(g.reshape(table, (self.count,)), where)

        rows = g.dequantize(g.gather(self.values, g.reshape(where, g.shape(where)[1:])))
        return _Part(self.coder, rows, chosen(self.steps), chosen(self.norms), None)


def _real(g: Subgraph, steps: int) -> int:
    return g.cast(steps, np.float32) if g.dtype(steps) == np.uint8 else steps


def _row_numbers(g: Subgraph, picked: int, where: int, block: int) -> int:
    """Places among the rows of picked blocks, `(1, n)`, as numbers of rows of the index."""
    size = np.array(block, np.int32)
    turn = g.floor_div(where, size)
    return g.add(g.mul(g.sub(g.gather(picked, turn), turn), size), where)


def _finer(g: Subgraph, table: RowTable, numbers: int) -> _Part:
    """Rows by their numbers, `(1, n)`, as float32."""

    def chosen(values: np.ndarray | None, name: str) -> int | None:
        return None if values is None else _real(g, g.gather(g.constant(values, name), numbers))

    rows = g.gather(g.constant(table.rows, "fine_rows", table.scale), g.reshape(numbers, g.shape(numbers)[1:]))
    rows = g.dequantize(rows) if g.dtype(rows) == np.int8 else rows
    return _Part(table.coder, rows, chosen(table.steps, "fine_steps"), chosen(table.norms, "fine_norms"), None)


def _similarity(g: Subgraph, query: int, part: _Part) -> int:
    """`[1, rows]`: the dot product, or 2 x·q - |x|² where distances are squared L2; larger is nearer."""
    coder = part.coder
    index = coder.index
    if index.codebooks is not None:
        dots = _table_sums(g, query, part.values, index.codebooks.entries)
    elif index.scorer == "int4":
        dots = g.mul(_nibble_dots(g, query, part.values), g.constant(np.array(coder.unit, np.float32), "unit"))
    else:
        dots = g.fully_connected(query, part.values)
    if part.steps is not None:
        dots = g.mul(dots, part.steps)
    if coder.bases is not None and part.blocks is not None:
        leaf = g.fully_connected(query, g.gather(g.constant(coder.bases.rows, "bases", 1.0), part.blocks))
        count = g.shape(part.blocks)[0]
        leaf = g.mul(g.reshape(leaf, (count, 1)), g.gather(g.constant(coder.bases.steps, "base_steps"), part.blocks))
        dots = g.reshape(g.add(g.reshape(dots, (count, index.block)), leaf), (1, count * index.block))
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
