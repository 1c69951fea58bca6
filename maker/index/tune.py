"""How much of an index a query has to scan for a wanted recall."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from maker.index.build import Index
from maker.index.rows import RowCoder

QUANTISATION_QUERIES = 100
GROUP_QUERIES = 200  # by which the number of groups is chosen
GROUP_SHARES = (0.35, 0.5, 0.7, 1, 1.4, 2)  # of the usual number of groups, tried


def tuned(index: Index, queries: np.ndarray, truth: np.ndarray, target: float) -> Index:
    """The index with the least budget whose leaves hold `target` of the true neighbours.

    One pass gives every budget's recall: a neighbour is found as soon as its leaf is among those scanned, and a leaf's place in the
    order of scores does not depend on the budget. Quantisation is not part of it; the finished file is measured for that.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32, of the kind that will be asked.
        truth: `(q, k)` the items nearest to each by exact search.
        target: Recall wanted, in (0, 1].
    """
    index = _with_groups(index, queries, truth, target)
    budget = _needed(index, queries, truth, target)
    while budget > index.blocks and index.groups is not None and index.searched < len(index.groups.vectors):
        index = replace(index, searched=min(len(index.groups.vectors), 2 * index.searched))
        budget = _needed(index, queries, truth, target)
    return index.with_budget(budget)


def _needed(index: Index, queries: np.ndarray, truth: np.ndarray, target: float) -> int:
    """The least budget; one leaf more than there are where the groups searched cannot hold as many of the neighbours."""
    ordered = np.sort(leaf_places(index, queries, truth).reshape(-1))
    return int(ordered[min(len(ordered) - 1, math.ceil(target * len(ordered)) - 1)]) + 1


def leaf_places(index: Index, queries: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`(q, k)` int: as the how-manieth each true neighbour's leaf would be scanned, from 0; `index.blocks` where its group is not searched.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32.
        truth: `(q, k)` the items nearest to each by exact search.
    """
    assert index.leaves is not None
    leaf_of, places = index.leaf_of, np.empty(truth.shape, np.int64)
    for i, query in enumerate(queries):
        scores = index.leaves.scores(query[None])[0]
        if index.groups is not None and index.group_of is not None:
            skipped = np.argsort(-index.groups.scores(query[None])[0], kind="stable")[index.searched :]
            scores[np.isin(index.group_of, skipped)] = -np.inf
        place = np.empty(index.blocks, np.int64)
        place[np.argsort(-scores, kind="stable")] = np.arange(index.blocks)
        place[np.isinf(scores)] = index.blocks
        places[i] = place[leaf_of[truth[i]]]
    return places


def recall_at(places: np.ndarray, budget: int) -> float:
    """The share of the neighbours that a budget's leaves hold."""
    return float((places < budget).mean())


def rows_recall(coder: RowCoder, queries: np.ndarray, truth: np.ndarray) -> float:
    """The recall that the stored rows allow when all of them are scanned.

    Args:
        coder: What codes the rows of an index.
        queries: `(q, d)` float32; at most 100 are asked.
        truth: `(q, k)` the items nearest to each by exact search.
    """
    index = coder.index
    if index.scorer == "float32":
        return 1.0
    chosen = np.linspace(0, len(queries) - 1, min(QUANTISATION_QUERIES, len(queries))).astype(int)
    asked, expected = queries[chosen], truth[chosen]
    best = np.full(expected.shape, -np.inf, np.float32)
    items = np.zeros(expected.shape, np.int64)
    at = 0
    for block in index.row_blocks():
        stored = coder.decode(coder.encode(block, at), at)
        scores = asked @ stored.T
        if index.distance == "squared_l2":
            scores = 2 * scores - np.einsum("nd,nd->n", stored, stored)
        best = np.concatenate([best, scores], axis=1)
        items = np.concatenate([items, np.broadcast_to(index.order[at : at + len(block)], scores.shape)], axis=1)
        keep = np.argpartition(-best, expected.shape[1] - 1, axis=1)[:, : expected.shape[1]]
        best, items = np.take_along_axis(best, keep, axis=1), np.take_along_axis(items, keep, axis=1)
        at += len(block)
    hits = [len(set(found) & set(wanted)) / len(wanted) for found, wanted in zip(items.tolist(), expected.tolist(), strict=True)]
    return float(np.mean(hits))


def _with_groups(index: Index, queries: np.ndarray, truth: np.ndarray, target: float) -> Index:
    """As many groups as cost least together with the rows that they leave to scan; a leaf's vector costs as much as a row."""
    if index.groups is None or index.group_of is None:
        return index
    chosen = np.linspace(0, len(queries) - 1, min(GROUP_QUERIES, len(queries))).astype(int)
    count, largest = len(index.groups.vectors), int(np.bincount(index.group_of).max())
    costs = {}
    for searched in sorted({min(count, math.ceil(index.searched * share)) for share in GROUP_SHARES} | {count}):
        budget = _needed(replace(index, searched=searched), queries[chosen], truth[chosen], target)
        if budget <= index.blocks:
            costs[searched] = searched * largest + budget * index.block
    return replace(index, searched=min(costs, key=costs.__getitem__))
