"""How much of an index a query has to scan for a wanted recall."""

from __future__ import annotations

import numpy as np

from maker.index.build import Index


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
    places = []
    for query, neighbours in zip(queries, truth, strict=True):
        leaf_scores = index.centroids @ query
        if index.distance == "squared_l2":
            leaf_scores = leaf_scores - 0.5 * np.einsum("ld,ld->l", index.centroids, index.centroids)
        chunk_scores = leaf_scores[index.chunk_leaves].max(1)
        place = np.empty(index.chunks, np.int64)
        place[np.argsort(-chunk_scores, kind="stable")] = np.arange(index.chunks)
        places.append(place[chunk_of[neighbours]])
    ordered = np.sort(np.concatenate(places))
    needed = ordered[min(len(ordered) - 1, int(np.ceil(target * len(ordered))) - 1)] + 1
    return float(needed) / index.chunks
