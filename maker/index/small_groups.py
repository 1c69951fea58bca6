"""Divides small groups of rows into leaves of similar sizes, by a k-means in each of them.

There are hundreds of groups, each with a few leaves and some hundred rows. Groups with as many leaves are therefore divided together, by
products of stacked matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from maker.index.clustering import BLOCK
from maker.index.metric import Rows

ITERATIONS = 4
PRICE_STEPS, FIRST_STEP, STEPS_OF_ONE_SIZE, SHRINK = 50, 0.3, 10, 0.7  # as in `maker.index.assignment`; of 20, rows are left over


def centroids_within(embeddings: Rows, groups: Sequence[np.ndarray], leaves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The centroids of leaves within each group. Leaves of very different sizes would be a bad start for making them equal.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped or transformed.
        groups: The rows of each group.
        leaves: `(groups,)` int: the number of centroids of each group.
        rng: Chooses the rows at which centroids start.

    Returns:
        `(leaves.sum(), d)` float32, group by group.
    """
    numbers, found = [], []
    firsts, sizes = np.cumsum(leaves) - leaves, np.array([len(rows) for rows in groups])
    for batch in _batches(sizes, leaves):
        count, places = int(leaves[batch[0]]), np.arange(sizes[batch].max())
        real = places < sizes[batch][:, None]
        members = np.stack([np.resize(groups[g], len(places)) for g in batch])
        rows = np.asarray(embeddings[members.ravel()], np.float32).reshape(*members.shape, -1)
        start = np.argsort(np.where(real, rng.random(real.shape), 1), axis=1, kind="stable")[:, np.arange(count) % len(places)]
        found.append(_balanced_kmeans(rows, real, np.take_along_axis(rows, start[:, :, None], axis=1)).reshape(-1, rows.shape[2]))
        numbers.append((firsts[batch][:, None] + np.arange(count)).ravel())
    return np.concatenate(found)[np.argsort(np.concatenate(numbers))]


def _batches(sizes: np.ndarray, leaves: np.ndarray) -> Iterator[np.ndarray]:
    """Groups with the same number of leaves and similar sizes, about BLOCK rows at a time."""
    order = np.lexsort((sizes, leaves))
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and leaves[order[end]] == leaves[order[begin]] and (end + 1 - begin) * sizes[order[end]] <= BLOCK:
            end += 1
        yield order[begin:end]
        begin = end


def _balanced_kmeans(rows: np.ndarray, real: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Lloyd's iterations in each group, then prices at which about as many rows choose each centroid, and the means of these rows.

    Args:
        rows: `(g, r, d)` float32.
        real: `(g, r)` bool: False for rows that only fill up a group.
        centroids: `(g, c, d)` float32.
    """
    for _ in range(ITERATIONS):
        centroids = _means(rows, _chosen(_scores(rows, centroids), real), centroids)
    scores = _scores(rows, centroids)
    prices = np.zeros((len(rows), 1, centroids.shape[1]), np.float32)
    step = FIRST_STEP * (scores.max(2) - np.median(scores, axis=2)).std(1)[:, None, None]
    places = real.sum(1)[:, None, None] / centroids.shape[1]
    for number in range(1, PRICE_STEPS + 1):
        demand = _chosen(scores - prices, real).sum(1, keepdims=True)
        prices += step * np.clip(demand / places - 1, -1, 1).astype(np.float32)
        if number % STEPS_OF_ONE_SIZE == 0:
            step *= np.float32(SHRINK)
    return _means(rows, _chosen(scores - prices, real), centroids)


def _scores(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """`(g, r, c)`: larger is nearer."""
    scores: np.ndarray = rows @ centroids.transpose(0, 2, 1)
    scores -= 0.5 * np.einsum("gcd,gcd->gc", centroids, centroids)[:, None]
    return scores


def _chosen(scores: np.ndarray, real: np.ndarray) -> np.ndarray:
    """`(g, r, c)` float32: 1 for the best centroid of each real row, else 0."""
    best = scores.argmax(2)[:, :, None] == np.arange(scores.shape[2])
    return (best & real[:, :, None]).astype(np.float32)


def _means(rows: np.ndarray, chosen: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The means of the rows that chose each centroid; one without rows stays where it is."""
    counts = chosen.sum(1)[:, :, None]
    return np.where(counts > 0, (chosen.transpose(0, 2, 1) @ rows) / np.maximum(counts, 1), centroids)
