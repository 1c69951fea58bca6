"""The search half of a signature: an embedding in, the k nearest items out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.graph.flatbuffer import Chunks
from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph
from maker.index.build import Index

FAR = np.float32(3e38)  # the distance of "no further neighbour"


@dataclass(frozen=True)
class SearchConstants:
    """An index as constants that every signature shares; `c` chunks of `b` rows.

    Attributes:
        index: What they were made from.
        rows: `(c, b, d)` int8 or float32, or `(c, b, blocks)` uint8 codes.
        scales: `(c, b)` float32 step of each int8 row; None for other rows.
        norms: `(c, b)` float32 squared norm of each row as stored; None for dot products.
        ids: `(c, b)` int32, -1 where a row is padding; None where row i is item i.
        chunk_leaves: `m` times `(c,)` int32: the leaves of each chunk; empty where everything is scanned.
        leaf_bias: `(leaves,)` float32; None for dot products.
        everything: `(c,)` int32, the number of each chunk.
    """

    index: Index
    rows: Chunks
    scales: np.ndarray | None
    norms: np.ndarray | None
    ids: np.ndarray | None
    chunk_leaves: list[np.ndarray]
    leaf_bias: np.ndarray | None
    everything: np.ndarray


def search_constants(index: Index) -> SearchConstants:
    """Lays an index out; its rows are quantised when they are written, so that they never lie in memory together."""
    shape = (index.chunks, index.chunk)
    int8, l2 = index.scorer == "int8", index.distance == "squared_l2"
    scales = np.zeros(shape, np.float32) if int8 else None
    norms = np.zeros(shape, np.float32) if l2 else None
    at = 0
    for block in index.row_blocks() if int8 or l2 else ():
        stored, steps = index.stored(block)
        if scales is not None:
            scales.reshape(-1)[at : at + len(block)] = steps
        if norms is not None:
            norms.reshape(-1)[at : at + len(block)] = np.einsum("nd,nd->n", stored, stored)
        at += len(block)
    ids = None
    if index.padding or index.centroids is not None:
        ids = np.full(shape, -1, np.int32)
        ids.reshape(-1)[: len(index.order)] = index.order
    leaf_bias = None
    if l2 and index.centroids is not None:
        leaf_bias = (-0.5 * np.einsum("ld,ld->l", index.centroids, index.centroids)).astype(np.float32)
    width, dtype = _row_type(index)
    return SearchConstants(
        index=index,
        rows=Chunks(_encoded(index, width, dtype), (*shape, width), dtype),
        scales=scales,
        norms=norms,
        ids=ids,
        chunk_leaves=[] if index.chunk_leaves is None else [np.ascontiguousarray(owners) for owners in index.chunk_leaves.T],
        leaf_bias=leaf_bias,
        everything=np.arange(index.chunks, dtype=np.int32),
    )


def search(g: Subgraph, query: int, constants: SearchConstants, k: int) -> tuple[int, int]:
    """Adds the search to a subgraph.

    Args:
        g: The subgraph.
        query: `[1, d]` float32 tensor.
        constants: The index.
        k: Neighbours to return.

    Returns:
        `[1, k]` float32 distances, ascending, and `[1, k]` int32 ids, -1 where there is no further neighbour.
    """
    index = constants.index
    picked = _pick_chunks(g, query, constants)
    (count,) = g.shape(picked)
    scanned = count * index.chunk
    similarity = _similarity(g, query, constants, picked)

    # Padding rows lie behind the last item only; taking that many candidates more leaves k real ones when they are put last.
    candidates = min(k + index.padding, scanned)
    best, where = g.top_k(similarity, candidates)
    if constants.ids is None:
        found = where
    else:
        flat = g.reshape(g.gather(constants.ids, picked), (scanned,))
        found = g.gather(flat, where)
    if index.padding:
        missing = g.cast(g.minimum(found, np.array(0, np.int32)), np.float32)  # -1 for padding, else 0
        best, where = g.top_k(g.add(best, g.mul(missing, np.array(FAR))), min(k, scanned))
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


def _pick_chunks(g: Subgraph, query: int, constants: SearchConstants) -> int:
    """The numbers of the chunks to scan, `(budget,)`; a chunk scores as the best of its leaves."""
    index = constants.index
    if index.centroids is None:
        # The rows go through GATHER all the same: constant weights would be taken by XNNPACK, which rounds the query differently
        # from the reference kernel of older runtimes.
        return g.constant(constants.everything, "everything")
    scores = g.fully_connected(query, index.centroids, constants.leaf_bias)
    of_chunks, *others = [g.gather(scores, g.constant(owners, "chunk_leaves"), axis=1) for owners in constants.chunk_leaves]
    for other in others:
        of_chunks = g.maximum(of_chunks, other)
    _, chunks = g.top_k(of_chunks, index.budget)
    return g.reshape(chunks, (index.budget,))


def _similarity(g: Subgraph, query: int, constants: SearchConstants, picked: int) -> int:
    """`[1, rows]`: the dot product, or 2 x·q - |x|² where distances are squared L2; larger is nearer."""
    index = constants.index
    (count,) = g.shape(picked)
    scanned, width = count * index.chunk, constants.rows.shape[2]
    scale = 1.0 if index.scorer == "int8" else None
    rows = g.reshape(g.gather(g.constant(constants.rows, "rows", scale), picked), (scanned, width))
    if index.codebooks is not None:
        dots = _table_sums(g, query, rows, index.codebooks.entries)
    else:
        dots = g.fully_connected(query, rows)

    def of_rows(table: np.ndarray) -> int:
        return g.reshape(g.gather(table, picked), (1, scanned))

    if constants.scales is not None:
        dots = g.mul(dots, of_rows(constants.scales))
    if constants.norms is not None:
        return g.sub(g.mul(dots, np.array(2, np.float32)), of_rows(constants.norms))
    return dots


def _table_sums(g: Subgraph, query: int, codes: int, entries: np.ndarray) -> int:
    """`[1, rows]`: dot products by table look-up (asymmetric distance computation; Jégou et al., TPAMI 2011, section III)."""
    blocks, count, width = entries.shape
    padding = blocks * width - g.shape(query)[1]
    if padding:
        query = g.concat([query, np.zeros((1, padding), np.float32)], axis=1)
    products = g.mul(g.reshape(query, (blocks, 1, width)), entries)
    table = g.reshape(g.sum(products, axis=2), (blocks * count,))
    places = g.add(g.cast(codes, np.int32), (np.arange(blocks) * count).astype(np.int32)[None])
    return g.reshape(g.sum(g.gather(table, places), axis=1), (1, g.shape(codes)[0]))


def _row_type(index: Index) -> tuple[int, type]:
    if index.codebooks is not None:
        return len(index.codebooks.entries), np.uint8
    return index.embeddings.shape[1], np.int8 if index.scorer == "int8" else np.float32


def _encoded(index: Index, width: int, dtype: type) -> Iterator[np.ndarray]:
    for block in index.row_blocks():
        if index.codebooks is not None:
            yield index.codebooks.encode(block)
        else:
            yield int8_rows(block)[0] if index.scorer == "int8" else block
    yield np.zeros((index.padding, width), dtype)
