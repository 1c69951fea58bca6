"""How much of an index a query has to scan for a wanted recall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maker.index.build import Index
from maker.index.rows import RowCoder, fine_coder

QUANTISATION_QUERIES = 100
PICK = 8  # what picking a group or a leaf costs, in rows: keeping the best ones in order takes about as long as scoring so many rows
GROUP_SHARES = (0.25, 0.35, 0.5, 0.7, 1, 1.4, 2)  # of the usual number of groups, tried


def tuned(index: Index, queries: np.ndarray, truth: np.ndarray, target: float) -> Index:
    """The index with the least budget whose leaves hold `target` of the true neighbours.

    One pass gives every budget's recall: a neighbour is found as soon as its leaf is among those scanned, and a leaf's place in the
    order of scores does not depend on the budget. Of the numbers of groups tried, the one is taken that costs least together with the
    rows that it leaves to scan; a leaf's vector is scored as fast as a row. The target is passed by a standard error of the queries' mean
    recall: met by these queries to the dot, others would miss it. Quantisation is not part of it; the finished file is measured for that.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32, of the kind that will be asked.
        truth: `(q, k)` the items nearest to each by exact search.
        target: Recall wanted, in (0, 1].
    """
    tried = [index]
    largest = 0
    if index.groups is not None and index.group_of is not None:
        count, largest = len(index.groups.vectors), int(np.bincount(index.group_of).max())
        widths = {min(count, math.ceil(index.searched * share)) for share in GROUP_SHARES} | {count}
        tried = [replace(index, searched=width) for width in sorted(widths)]
    best, least = index, math.inf
    for candidate, places in zip(tried, leaf_places(tried, queries, truth), strict=True):
        budget = _least_budget(places, target)
        cost = candidate.searched * (largest + PICK) + budget * (index.block + PICK)
        if budget <= index.blocks and cost < least:  # a larger budget: the groups do not hold as many of the neighbours
            best, least = candidate.with_budget(budget), cost
    return best


def _least_budget(places: np.ndarray, target: float) -> int:
    """The least budget whose recall is the target and a standard error more; one leaf more than there are where none is."""
    budgets = np.unique(places) + 1
    low, high = 0, len(budgets) - 1
    while low < high:
        middle = (low + high) // 2
        found = (places < budgets[middle]).mean(1)
        if found.mean() - found.std() / math.sqrt(len(found)) >= target:
            high = middle
        else:
            low = middle + 1
    return int(budgets[low])


def leaf_places(indexes: Sequence[Index], queries: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """As the how-manieth each true neighbour's leaf would be scanned.

    Args:
        indexes: A partitioned index, with other numbers of groups searched.
        queries: `(q, d)` float32.
        truth: `(q, k)` the items nearest to each by exact search.

    Returns:
        `(indexes, q, k)` int, from 0; the index's number of leaves where the neighbour's group is not searched.
    """
    index = indexes[0]
    assert index.leaves is not None
    leaf_of, places = index.leaf_of, np.empty((len(indexes), *truth.shape), np.int64)
    for i, query in enumerate(queries):
        scores = index.leaves.scores(query[None])[0]
        wanted = leaf_of[truth[i]]
        better = scores > scores[wanted, None]
        if index.groups is None or index.group_of is None:
            places[:, i] = better.sum(1)
            continue
        rank = np.empty(len(index.groups.vectors), np.int64)
        rank[np.argsort(-index.groups.scores(query[None])[0], kind="stable")] = np.arange(len(rank))
        of_leaf = rank[index.group_of]
        for place, candidate in zip(places, indexes, strict=True):
            place[i] = np.where(of_leaf[wanted] < candidate.searched, better[:, of_leaf < candidate.searched].sum(1), index.blocks)
    return places


def recall_at(places: np.ndarray, budget: int) -> float:
    """The share of the neighbours that a budget's leaves hold."""
    return float((places < budget).mean())


def rows_recall(coder: RowCoder, queries: np.ndarray, truth: np.ndarray, candidates: int = 0) -> float:
    """The recall that the stored rows allow when all of them are scanned.

    Args:
        coder: What codes the rows of an index.
        queries: `(q, d)` float32; at most 100 are asked.
        truth: `(q, k)` the items nearest to each by exact search.
        candidates: How many of the best are scored again by the index's finer rows, where it has any.
    """
    index, fine = coder.index, fine_coder(coder.index)
    if index.scorer == "float32":
        return 1.0
    chosen = np.linspace(0, len(queries) - 1, min(QUANTISATION_QUERIES, len(queries))).astype(int)
    asked, expected = queries[chosen], truth[chosen]
    k = expected.shape[1]
    kept = k if fine is None else min(max(candidates, k), len(index.order))
    best = np.full((len(asked), kept), -np.inf, np.float32)
    found = np.zeros(best.shape, np.int64)  # numbers of rows
    at = 0
    for block in index.row_blocks():
        scores = _scores(index.distance, asked, coder.decode(coder.encode(block, at), at))
        best = np.concatenate([best, scores], axis=1)
        found = np.concatenate([found, np.broadcast_to(np.arange(at, at + len(block)), scores.shape)], axis=1)
        keep = np.argpartition(-best, kept - 1, axis=1)[:, :kept]
        best, found = np.take_along_axis(best, keep, axis=1), np.take_along_axis(found, keep, axis=1)
        at += len(block)
    items = index.order[found]
    if fine is not None and kept > k:
        for query, row in enumerate(items):
            rows = np.asarray(index.embeddings[row], np.float32)
            scores = _scores(index.distance, asked[query][None], fine.decode(fine.encode(rows, 0), 0))[0]
            items[query] = row[np.argsort(-scores, kind="stable")]
    hits = [len(set(row) & set(wanted)) / k for row, wanted in zip(items[:, :k].tolist(), expected.tolist(), strict=True)]
    return float(np.mean(hits))


def _scores(distance: str, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`(q, n)`: larger is nearer."""
    scores: np.ndarray = queries @ rows.T
    return scores if distance == "dot_product" else 2 * scores - np.einsum("nd,nd->n", rows, rows)
