"""How much of an index a query has to scan for a wanted recall."""

from __future__ import annotations

import numpy as np

from maker.graph.int8 import int8_rows
from maker.index.build import Index

QUANTISATION_QUERIES = 100


def share_for_recall(index: Index, queries: np.ndarray, truth: np.ndarray, target: float) -> float:
    """The least share of the chunks that holds `target` of the true neighbours.

    One pass gives every budget's recall: a neighbour is found as soon as its chunk is among those scanned, and a chunk's place in the
    order of scores does not depend on the budget. Quantisation is not part of it; the finished file is measured for that.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32, of the kind that will be asked.
        truth: `(q, k)` the items nearest to each by exact search.
        target: Recall wanted, in (0, 1].
    """
    assert index.centroids is not None
    assert index.chunk_leaves is not None
    chunk_of = np.empty(len(index.order), np.int32)
    chunk_of[index.order] = np.arange(len(index.order)) // index.chunk
    half_norms = 0.5 * np.einsum("ld,ld->l", index.centroids, index.centroids)
    places = []
    for query, neighbours in zip(queries, truth, strict=True):
        leaf_scores = index.centroids @ query
        if index.distance == "squared_l2":
            leaf_scores = leaf_scores - half_norms
        chunk_scores = leaf_scores[index.chunk_leaves].max(1)
        place = np.empty(index.chunks, np.int64)
        place[np.argsort(-chunk_scores, kind="stable")] = np.arange(index.chunks)
        places.append(place[chunk_of[neighbours]])
    ordered = np.sort(np.concatenate(places))
    needed = ordered[min(len(ordered) - 1, int(np.ceil(target * len(ordered))) - 1)] + 1
    return float(needed) / index.chunks


def rows_recall(index: Index, queries: np.ndarray, truth: np.ndarray) -> float:
    """The recall that the stored rows allow when all of them are scanned.

    Args:
        index: An index of int8 or float32 rows, or product-quantised ones.
        queries: `(q, d)` float32; at most 100 are asked.
        truth: `(q, k)` the items nearest to each by exact search.
    """
    if index.scorer == "float32":
        return 1.0
    chosen = np.linspace(0, len(queries) - 1, min(QUANTISATION_QUERIES, len(queries))).astype(int)
    asked, expected = queries[chosen], truth[chosen]
    if index.codebooks is None:  # the hybrid kernel rounds the query too
        codes, scales = int8_rows(asked)
        asked = codes * scales[:, None]
    best = np.full(expected.shape, -np.inf, np.float32)
    items = np.zeros(expected.shape, np.int64)
    at = 0
    for block in index.row_blocks():
        stored, _ = index.stored(block)
        scores = asked @ stored.T
        if index.distance == "squared_l2":
            scores = 2 * scores - np.einsum("nd,nd->n", stored, stored)
        best = np.concatenate([best, scores], axis=1)
        items = np.concatenate([items, np.broadcast_to(index.order[at : at + len(block)], scores.shape)], axis=1)
        keep = np.argpartition(-best, expected.shape[1] - 1, axis=1)[:, : expected.shape[1]]
        best, items = np.take_along_axis(best, keep, axis=1), np.take_along_axis(items, keep, axis=1)
        at += len(block)
    return float(
        np.mean([len(set(found) & set(wanted)) / len(wanted) for found, wanted in zip(items.tolist(), expected.tolist(), strict=True)])
    )
