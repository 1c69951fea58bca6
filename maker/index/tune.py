"""Chooses how many leaves a query scans for a target recall."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from maker.index.build import Index
from maker.index.rows import RowCoder, approximate_fine_coder
from maker.index.ties import find_copies, right_results

QUANTISATION_QUERIES = 300  # fewer misjudge what rows allow, and with it how much a query has to scan
SPARE = 200  # rows of each query that may become its best when they are rounded as they are stored
QUERIES_AT_A_TIME = 64  # whose scores of a block of rows are held
SELECTION_COST = 8  # of one group or leaf, in rows: keeping the best in order takes as long as scoring about 8 rows
GROUP_SHARES = (0.25, 0.35, 0.5, 0.7, 1, 1.4, 2)  # of the default number of groups, to try


def tune(index: Index, queries: np.ndarray, truth: np.ndarray, target: float) -> Index:
    """The same index with the least budget whose leaves hold `target` of the true neighbours.

    One pass gives the recall of every budget: a neighbour is found if its leaf is scanned, and the rank of a leaf does not depend on the
    budget. Several numbers of groups are tried, and the cheapest is taken. Scored leaves and scanned rows cost the same, because scoring a
    leaf takes as long as scoring a row. The recall exceeds the target by one standard error of the mean over the queries: a recall that
    only just meets it would often miss it on other queries. Quantisation is ignored here and measured on the finished file.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32, representative of future queries.
        truth: `(q, k)` int: the nearest items of each query by exact search.
        target: Recall in (0, 1].
    """
    return tuned(index, ranks_by_groups(index, queries, truth), target)


Ranks: TypeAlias = list[tuple[int, np.ndarray]]  # numbers of groups searched, with the ranks of leaves


def ranks_by_groups(index: Index, queries: np.ndarray, truth: np.ndarray) -> Ranks:
    """`leaf_ranks` of several numbers of groups searched."""
    candidates = [index]
    if index.groups is not None:
        count = len(index.groups.vectors)
        searched = {min(count, math.ceil(index.groups_searched * share)) for share in GROUP_SHARES} | {count}
        candidates = [replace(index, groups_searched=groups) for groups in sorted(searched)]
    ranks = leaf_ranks(candidates, queries, truth)
    return [(candidate.groups_searched, of_leaves) for candidate, of_leaves in zip(candidates, ranks, strict=True)]


def tuned(index: Index, ranks: Ranks, target: float) -> Index:
    """As `tune`, of what `ranks_by_groups` found."""
    best, least = index, math.inf
    for groups, of_leaves in ranks:
        budget = _least_budget(of_leaves, target)
        candidate = replace(index, groups_searched=groups, budget=budget)
        cost = scored_rows(candidate)
        if budget <= index.blocks and cost < least:  # a larger budget means that so few groups cannot reach the target
            best, least = candidate.with_budget(budget), cost
    return best


def scored_rows(index: Index) -> int:
    """How many rows and leaves a query scores, selecting groups and leaves included; a group counts as the largest one."""
    largest = 0 if index.group_of is None else int(np.bincount(index.group_of).max())
    return index.groups_searched * (largest + SELECTION_COST) + index.budget * (index.block + SELECTION_COST)


def _least_budget(ranks: np.ndarray, target: float) -> int:
    """The least budget whose recall exceeds the target by one standard error; number of leaves + 1 if there is none."""
    budgets = np.unique(ranks) + 1
    low, high = 0, len(budgets) - 1
    while low < high:
        middle = (low + high) // 2
        recalls = (ranks < budgets[middle]).mean(1)
        if recalls.mean() - recalls.std() / math.sqrt(len(recalls)) >= target:
            high = middle
        else:
            low = middle + 1
    return int(budgets[low])


def leaf_ranks(indexes: Sequence[Index], queries: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The rank at which a query scans the leaf of each of its true neighbours.

    Copies of a true neighbour are equally right: with copies, the ranks are those of the k right items that the query scans first.

    Args:
        indexes: The same partitioned index with different numbers of groups searched.
        queries: `(q, d)` float32.
        truth: `(q, k)` int: the nearest items of each query by exact search.

    Returns:
        `(indexes, q, k)` int64 from 0; the number of leaves if the group of the neighbour's leaf is not searched.
    """
    index = indexes[0]
    assert index.leaves is not None
    leaf_of, ranks = index.leaf_of, np.empty((len(indexes), *truth.shape), np.int64)
    copies = find_copies(index.embeddings, truth)
    asked = index.asked(queries)
    leaves_of_copies = [np.unique(leaf_of[items], return_counts=True) for items in copies.items]
    for i, query in enumerate(asked):
        scores = index.leaves.scores(query[None])[0]
        group_rank_of_leaf = np.zeros(index.blocks, np.int64)
        if index.groups is not None and index.group_of is not None:
            group_rank = np.empty(len(index.groups.vectors), np.int64)
            group_rank[np.argsort(-index.groups.scores(query[None])[0], kind="stable")] = np.arange(len(group_rank))
            group_rank_of_leaf = group_rank[index.group_of]
        copied = copies.group_of[truth[i]]
        groups = [leaves_of_copies[group] for group in np.unique(copied[copied >= 0])]
        for row, candidate in zip(ranks, indexes, strict=True):
            searched = group_rank_of_leaf < candidate.groups_searched
            leaves = leaf_of[truth[i]]
            if groups:
                leaves = _first_scanned(leaves[copied < 0], groups, np.where(searched, scores, -np.inf), len(leaves))
            better = scores[searched] > scores[leaves, None]
            row[i] = np.where(searched[leaves], better.sum(1), index.blocks)
    return ranks


def _first_scanned(leaves: np.ndarray, groups: Sequence[tuple[np.ndarray, np.ndarray]], scores: np.ndarray, k: int) -> np.ndarray:
    """The leaves of the k right items that a query scans first, `(k,)`.

    Args:
        leaves: The leaves of the true neighbours that have no copies.
        groups: For each group of copies among the true neighbours, the leaves that hold some, and how many each of them holds.
        scores: `(leaves of the index,)`: larger is scanned earlier.
        k: Number of true neighbours.
    """
    held_by = np.concatenate([leaves, *(leaves_of_group for leaves_of_group, _ in groups)])
    counts = np.concatenate([np.ones(len(leaves), np.int64), *(counts for _, counts in groups)])
    order = np.argsort(-scores[held_by], kind="stable")[:k]
    return np.repeat(held_by[order], np.minimum(counts[order], k))[:k]


def recall_at_budget(ranks: np.ndarray, budget: int) -> float:
    """The share of the neighbours whose leaf is among the first `budget` ones; `ranks` as `leaf_ranks` returns them."""
    return float((ranks < budget).mean())


def rows_recall(coder: RowCoder, queries: np.ndarray, truth: np.ndarray, candidates: int = 0) -> float:
    """The recall of the stored rows when a query scans all of them: what quantisation alone allows.

    Args:
        coder: The coder of an index.
        queries: `(q, d)` float32; at most 300 of them are used.
        truth: `(q, k)` int: the nearest items of each query by exact search; equally near ones count as well.
        candidates: Number of best rows that the index's finer rows rescore, if it has any.
    """
    index = coder.index
    if index.scorer == "float32":
        return 1.0
    return rows_recalls(coder, [index], queries, truth, [candidates])[0]


def rows_recalls(
    coder: RowCoder, indexes: Sequence[Index], queries: np.ndarray, truth: np.ndarray, candidates: Sequence[int]
) -> list[float]:
    """As `rows_recall`, for indexes that scan the same rows, those of the coder, and rescore so many of them in different ways."""
    index = coder.index
    chosen = np.linspace(0, len(queries) - 1, min(QUANTISATION_QUERIES, len(queries))).astype(int)
    queries, truth = queries[chosen], truth[chosen]
    k = truth.shape[1]
    kept = [min(max(count, k), len(index.order)) if one.rescorer else k for one, count in zip(indexes, candidates, strict=True)]
    numbers, scores = _best_rows(coder, index.asked(queries), max(kept))
    fine = [approximate_fine_coder(one) for one in indexes]
    right = np.zeros(len(indexes))
    for begin in range(0, len(queries), QUERIES_AT_A_TIME):
        part = slice(begin, begin + QUERIES_AT_A_TIME)
        items, asked, true = index.order[numbers[part]], queries[part], truth[part]
        again: dict[tuple[str | None, int], np.ndarray] = {}  # scores by finer rows, which several indexes share
        for place, (one, coder_of_one, count) in enumerate(zip(indexes, fine, kept, strict=True)):
            best = items[:, :count]
            if coder_of_one is not None:
                key = (one.rescorer, coder_of_one.dimension)
                if key not in again:
                    again[key] = _rescored(one, coder_of_one, asked, items, scores[part])
                best = np.take_along_axis(best, np.argsort(-again[key][:, :count], axis=1, kind="stable"), axis=1)
            found = zip(asked, best[:, :k], true, strict=True)
            right[place] += sum(right_results(index.embeddings, *of_query, index.distance) for of_query in found) / k
    return [float(value) for value in right / len(queries)]


def _best_rows(coder: RowCoder, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the best rows of each query as stored, best first, `(q, count)` int64, and their scores.

    All rows are rounded to the nearest, which is fast; only the best of them and `SPARE` more are then rounded as they are stored.
    """
    fast = coder.to_nearest()
    kept = count if fast is coder else min(count + SPARE, len(coder.index.order))
    best = np.full((len(queries), kept), -np.inf, np.float32)
    rows = np.zeros(best.shape, np.int64)
    first = 0
    for block in fast.row_blocks():
        decoded = fast.decode(fast.encode(block, first), first)
        for begin in range(0, len(queries), QUERIES_AT_A_TIME):
            part = slice(begin, begin + QUERIES_AT_A_TIME)
            scores = np.concatenate([best[part], _scores(coder.index.distance, queries[part], decoded)], axis=1)
            keep = np.argpartition(scores, -kept, axis=1)[:, -kept:]
            before = np.take_along_axis(rows[part], np.minimum(keep, kept - 1), axis=1)
            best[part], rows[part] = np.take_along_axis(scores, keep, axis=1), np.where(keep < kept, before, keep - kept + first)
        first += len(block)
    if fast is not coder:
        return _best_stored(coder, queries, rows, count)
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(best, order, axis=1)


def _best_stored(coder: RowCoder, queries: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows with these numbers, `(q, c)`, the best `count` as the coder stores them, best first, and their scores."""
    scores = np.empty(rows.shape, np.float32)
    for begin in range(0, len(queries), QUERIES_AT_A_TIME):
        part = slice(begin, begin + QUERIES_AT_A_TIME)
        scores[part] = _scores_of_some(coder.index.distance, queries[part], rows[part], coder.stored)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _rescored(index: Index, fine: RowCoder, queries: np.ndarray, items: np.ndarray, scanned: np.ndarray) -> np.ndarray:
    """The scores of the items of each query by the finer rows of the index, `(q, c)`; `scanned` are those by the scanned rows."""

    def stored(numbers: np.ndarray) -> np.ndarray:
        rows = np.asarray(index.embeddings[numbers], np.float32)
        return fine.decode(fine.encode(rows if index.rest is None else rows @ index.rest.items, 0), 0)

    scores = _scores_of_some(index.distance, fine.index.asked(queries), items, stored)
    return scores if index.rest is None else scores + scanned


def _scores_of_some(distance: str, queries: np.ndarray, numbers: np.ndarray, stored: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The scores for each query of the rows with its numbers, `(q, c)`; `stored` gives rows by number, and is asked for each row once."""
    distinct, places = np.unique(numbers, return_inverse=True)
    rows, asked = stored(distinct), zip(queries, places.reshape(numbers.shape), strict=True)
    return np.concatenate([_scores(distance, query[None], rows[of_query]) for query, of_query in asked])


def _scores(distance: str, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`(q, n)`: larger is nearer."""
    scores: np.ndarray = queries @ rows.T
    return scores if distance == "dot_product" else 2 * scores - np.einsum("nd,nd->n", rows, rows)
