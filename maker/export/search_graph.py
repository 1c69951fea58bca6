"""The search part of a signature: from an embedding to the k nearest items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.export.search_constants import FAR, RowTable, SearchConstants
from maker.graph.subgraph import Subgraph
from maker.index.build import Index
from maker.index.projection import Projection
from maker.index.rows import MIDDLE, RowCoder

# The hybrid kernel that scans int8 rows rounds the query, which changes the order of near neighbours. That many more of the best rows than
# results are rescored with the unrounded query: a fixed number, and one for every so many results.
MORE_RESCORED, RESULTS_PER_MORE = 8, 8


def rescored(index: Index, k: int) -> int:
    """Number of scanned rows that are rescored for k results; 0 for none."""
    if index.rescorer:
        return max(k, index.candidates)
    return k + MORE_RESCORED + k // RESULTS_PER_MORE if index.scorer == "int8" else 0


def search(g: Subgraph, query: int, constants: SearchConstants, k: int, budget: int | None = None) -> tuple[int, int]:
    """Adds the search to a subgraph.

    Args:
        g: The subgraph.
        query: `[1, d]` float32 tensor.
        constants: The index.
        k: Neighbours to return.
        budget: Number of leaves to scan; the budget of the index if None.

    Returns:
        `[1, k]` float32 distances, ascending, and `[1, k]` int32 ids, -1 where there is no further neighbour.
    """
    index = constants.index if budget is None else constants.index.with_budget(budget)
    scanning = _projected(g, query, index.projection, "scanned_directions")
    blocks = _select_blocks(g, scanning, constants, index)
    scanned = g.shape(blocks)[0] * index.block
    rows = _ScannedRows(g, constants.scanned, blocks)
    similarity = _similarity(g, scanning, rows.all())

    # Only padding follows the last item: with that many additional candidates, k real ones are left once padding is sorted last.
    again = rescored(index, k)
    candidates = min(max(again, k + index.padding), scanned)
    best, places = g.top_k(similarity, candidates)
    places = g.reshape(places, (candidates,))
    numbers = _row_numbers(g, blocks, places, index.block)
    if constants.fine is not None:
        fine = _similarity(g, _projected(g, query, index.rest, "rest_directions"), _fine_rows(g, constants.fine, numbers))
        best = fine if index.rest is None else g.add(fine, _similarity(g, scanning, rows.at(places)))
    elif again:
        best = _similarity(g, scanning, rows.at(places))
    if index.padding:
        is_padding = g.cast(g.greater(numbers, np.array(len(index.order) - 1, np.int32)), np.float32)
        best = g.sub(best, g.mul(is_padding, np.array(FAR)))
    if again or index.padding:
        best, places = g.top_k(best, min(k, scanned))
        numbers = g.gather(numbers, g.reshape(places, (min(k, scanned),)))
    ids = numbers if constants.ids is None else g.gather(g.constant(constants.ids, "ids"), numbers)
    ids = g.reshape(ids, g.shape(best))
    return _padded_to(g, k, _distances(g, query, best, index.distance), ids)


def _projected(g: Subgraph, query: int, projection: Projection | None, name: str) -> int:
    """The query in the directions of a projection, by a constant of that name; the query itself without projection."""
    if projection is None:
        return query
    return g.fully_connected(query, g.constant(np.ascontiguousarray(projection.queries.T), name))


def no_results_for_empty_text(g: Subgraph, embedding: int, distances: int, ids: int) -> tuple[int, int]:
    """Removes all neighbours if the embedding is zero, as for a text without words: otherwise the first items would be returned."""
    squares = g.sum(g.mul(embedding, embedding), axis=1)
    empty = g.equal(squares, np.array(0, np.float32))
    ids = g.select(empty, np.array(-1, np.int32), ids)
    return g.add(distances, g.mul(g.cast(empty, np.float32), np.array(FAR))), ids


def _distances(g: Subgraph, query: int, similarity: int, distance: str) -> int:
    """Distances, smaller is nearer, from what `_similarity` gives."""
    if distance == "dot_product":
        return g.mul(similarity, np.array(-1, np.float32))
    norm = g.reshape(g.sum(g.mul(query, query), axis=1), (1, 1))
    return g.minimum(g.maximum(g.sub(norm, similarity), np.array(0, np.float32)), np.array(FAR))


def _padded_to(g: Subgraph, k: int, distances: int, ids: int) -> tuple[int, int]:
    """Distances and ids, `[1, k]`, with "no further neighbour" at the end if there are fewer."""
    missing = k - g.shape(distances)[1]
    if missing:
        distances = g.concat([distances, np.full((1, missing), FAR, np.float32)], axis=1)
        ids = g.concat([ids, np.full((1, missing), -1, np.int32)], axis=1)
    return distances, ids


def _select_blocks(g: Subgraph, query: int, constants: SearchConstants, index: Index) -> int:
    """The numbers of the blocks to scan, `(budget,)`."""
    leaves = constants.leaves
    if leaves is None:
        # Even all rows go through GATHER: XNNPACK would take over constant weights, and it rounds the query differently from the
        # reference kernel of older runtimes.
        return g.constant(constants.everything, "everything")
    leaf_vectors, groups = leaves.vectors, leaves.groups
    if groups is None or leaves.numbers is None:
        _, best = g.top_k(g.fully_connected(query, leaf_vectors.codes, leaf_vectors.bias), index.budget)
        return g.reshape(best, (index.budget,))
    every_group = g.constant(np.arange(len(groups.codes), dtype=np.int32), "every_group")
    vectors = g.gather(g.constant(groups.codes, "group_vectors", groups.scale), every_group)
    _, best = g.top_k(g.fully_connected(query, vectors, groups.bias), index.groups_searched)
    best = g.reshape(best, (index.groups_searched,))
    vectors = g.gather_blocks(g.constant(leaf_vectors.codes, "leaf_vectors", leaf_vectors.scale), best)
    count, _ = g.shape(vectors)
    bias, numbers = (g.reshape(g.gather(table, best), (count,)) for table in (leaf_vectors.bias, leaves.numbers))
    _, best = g.top_k(g.fully_connected(query, vectors, bias), index.budget)
    return g.gather(numbers, g.reshape(best, (index.budget,)))


@dataclass(frozen=True)
class _Rows:
    """Tensors of some rows.

    Attributes:
        coder: How they are stored.
        codes: `[rows, width]`.
        scales, norms: `[1, rows]` float32; None if rows have none.
        unit: The name of the constant with the unit of 4-bit rows.
        blocks: `[blocks]`, the numbers of the blocks that these rows fill, or the block of each single row; None if no one needs them.
    """

    coder: RowCoder
    codes: int
    scales: int | None
    norms: int | None
    blocks: int | None
    unit: str = "unit"


class _ScannedRows:
    """The rows of the blocks that a query scans, with their scales and norms."""

    def __init__(self, g: Subgraph, table: RowTable, blocks: int) -> None:
        self.g, self.coder, self.blocks = g, table.coder, blocks
        self.count = g.shape(blocks)[0] * table.coder.index.block
        # Readers that know no int8 residuals find no `rows`, and say so when they are asked to score rows outside of the graph.
        name = "residuals" if table.coder.centroids is not None and table.codes.dtype == np.int8 else "rows"
        self.codes = g.gather_blocks(g.constant(table.codes, name, table.tensor_scale), blocks)
        self.scales = self._gather(table.scales, "steps")
        self.norms = self._gather(table.norms, "norms")

    def _gather(self, table: np.ndarray | None, name: str) -> int | None:
        if table is None:
            return None
        return _as_float(self.g, self.g.reshape(self.g.gather(self.g.constant(table, name), self.blocks), (1, self.count)))

    def all(self) -> _Rows:
        """All rows; int8 ones stay int8 for the hybrid kernel."""
        return _Rows(self.coder, self.codes, self.scales, self.norms, self.blocks)

    def at(self, places: int) -> _Rows:
        """The rows at `(n,)` places; int8 ones become float32."""
        g = self.g

        def gather(table: int | None) -> int | None:
            return None if table is None else g.gather(table, places, axis=1)

        blocks = None
        if self.coder.centroids is not None:
            blocks = g.gather(self.blocks, g.floor_div(places, np.array(self.coder.index.block, np.int32)))
        return _Rows(self.coder, g.dequantize(g.gather(self.codes, places)), gather(self.scales), gather(self.norms), blocks)


def _as_float(g: Subgraph, scales: int) -> int:
    return g.cast(scales, np.float32) if g.dtype(scales) == np.uint8 else scales


def _row_numbers(g: Subgraph, blocks: int, places: int, block: int) -> int:
    """Converts `(n,)` places within the selected blocks to row numbers of the index."""
    size = np.array(block, np.int32)
    nth = g.floor_div(places, size)
    return g.add(g.mul(g.sub(g.gather(blocks, nth), nth), size), places)


def _fine_rows(g: Subgraph, table: RowTable, numbers: int) -> _Rows:
    """The rows with `(n,)` numbers, as float32."""

    def gather(values: np.ndarray | None, name: str) -> int | None:
        return None if values is None else _as_float(g, g.reshape(g.gather(g.constant(values, name), numbers), (1, *g.shape(numbers))))

    rows = g.gather(g.constant(table.codes, "fine_rows", table.tensor_scale), numbers)
    rows = g.dequantize(rows) if g.dtype(rows) == np.int8 else rows
    return _Rows(table.coder, rows, gather(table.scales, "fine_steps"), gather(table.norms, "fine_norms"), None, "fine_unit")


def _similarity(g: Subgraph, query: int, rows: _Rows) -> int:
    """`[1, rows]`: the dot product, or 2 x·q - |x|² for squared L2 distances; larger is nearer."""
    coder = rows.coder
    index = coder.index
    if index.codebooks is not None:
        dots = _product_dots(g, query, rows.codes, index.codebooks.entries)
    elif index.scorer == "int4":
        dots = g.mul(_int4_dots(g, query, rows.codes), g.constant(np.array(coder.scale_unit, np.float32), rows.unit))
    else:
        dots = g.fully_connected(query, rows.codes)
    if rows.scales is not None:
        dots = g.mul(dots, rows.scales)
    if coder.centroids is not None and rows.blocks is not None:
        bases = g.gather(g.constant(coder.centroids.codes, "bases", 1.0), rows.blocks)
        if g.dtype(rows.codes) == np.float32:  # then the query is not rounded
            bases = g.dequantize(bases)
        count, total = g.shape(rows.blocks)[0], g.shape(dots)[1]
        leaf_dots = g.reshape(g.fully_connected(query, bases), (count, 1))
        leaf_dots = g.mul(leaf_dots, g.gather(g.constant(coder.centroids.scales, "base_steps"), rows.blocks))
        dots = g.reshape(g.add(g.reshape(dots, (count, total // count)), leaf_dots), (1, total))
    if rows.norms is not None:
        return g.sub(g.mul(dots, np.array(2, np.float32)), rows.norms)
    return dots


def _int4_dots(g: Subgraph, query: int, rows: int) -> int:
    """`[1, rows]`: dot products with rows of two 4-bit codes per byte, each code minus 7.5.

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
    high_codes = g.floor(g.mul(values, np.array(1 / 16, np.float32)))
    dots = g.add(g.fully_connected(low, values), g.fully_connected(g.sub(high, g.mul(low, np.array(16, np.float32))), high_codes))
    middle = g.reshape(g.mul(g.sum(query, axis=1), np.array(MIDDLE, np.float32)), (1, 1))
    return g.sub(dots, middle)


def _product_dots(g: Subgraph, query: int, codes: int, entries: np.ndarray) -> int:
    """`[1, rows]`: dot products by table lookup (asymmetric distance computation; Jégou et al., TPAMI 2011, section III)."""
    blocks, count, width = entries.shape
    padding = blocks * width - g.shape(query)[1]
    if padding:
        query = g.concat([query, np.zeros((1, padding), np.float32)], axis=1)
    products = g.mul(g.reshape(query, (blocks, 1, width)), g.constant(entries, "entries"))
    table = g.reshape(g.sum(products, axis=2), (blocks * count,))
    places = g.add(g.cast(codes, np.int32), (np.arange(blocks) * count).astype(np.int32)[None])
    return g.reshape(g.sum(g.gather(table, places), axis=1), (1, g.shape(codes)[0]))
