"""K-means with NumPy, the start of a partition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

BLOCK = 8192  # embeddings per matrix product
COARSE_FROM = 64  # centroids from which k-means starts at the centroids of a k-means within each part of a coarse k-means
LLOYD_ITERATIONS, AFTER_COARSE = 6, 2

Trainer: TypeAlias = Callable[[np.ndarray, int], np.ndarray]  # from a sample `(s, d)` and a number of centroids to these


def kmeans_with(rng: np.random.Generator) -> Trainer:
    """The k-means of this module."""
    return lambda sample, count: kmeans(sample, count, rng)


def kmeans(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The centroids of a sample `(s, d)` float32, `(count, d)` float32.

    Many centroids start at those of a k-means within each part of a coarse k-means, which is near where they end.
    """
    start = sample[rng.choice(len(sample), count, replace=len(sample) < count)].copy()
    if count < COARSE_FROM:
        return _lloyd(sample, start, LLOYD_ITERATIONS, rng)
    parts = math.isqrt(count)
    part_of = nearest(sample, _lloyd(sample[rng.permutation(len(sample))[: len(sample) // 4]], start[:parts], LLOYD_ITERATIONS, rng))
    shares = apportioned(np.bincount(part_of, minlength=parts) * (count / len(sample)), len(sample), count)
    filled = 0
    for part, share in enumerate(shares.tolist()):
        rows = sample[part_of == part]
        if share:
            within = rows[rng.choice(len(rows), share, replace=len(rows) < share)]
            start[filled : filled + share] = _lloyd(rows, within, LLOYD_ITERATIONS, rng)
        filled += share
    return _lloyd(sample, start, AFTER_COARSE, rng)


def scores_of(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """`(rows, centroids)`: larger is nearer. Twice the difference of two scores of a row is that of its squared distances."""
    scores: np.ndarray = rows @ centroids.T
    scores -= 0.5 * np.einsum("kd,kd->k", centroids, centroids)
    return scores


def nearest(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """`(rows,)` int64: the nearest centroid of each row."""
    return np.concatenate([scores_of(rows[start : start + BLOCK], centroids).argmax(1) for start in range(0, len(rows), BLOCK)])


def apportioned(demand: np.ndarray, capacity: int, total: int) -> np.ndarray:
    """Whole numbers near a demand.

    Args:
        demand: `(n,)`, at least 0.
        capacity: The most that any may get; at least `total / n`.
        total: What all get together; at least the sum of the demands rounded down.

    Returns:
        `(n,)` int64, `total` together.
    """
    whole = np.minimum(np.floor(demand), capacity)
    left = total - int(whole.sum())
    while left > 0:  # each round gives one to each of those that lack most
        below_capacity = np.flatnonzero(whole < capacity)
        growing = below_capacity[np.argsort(-(demand - whole)[below_capacity], kind="stable")][:left]
        whole[growing] += 1
        left -= len(growing)
    return whole.astype(np.int64)


def _lloyd(sample: np.ndarray, centroids: np.ndarray, iterations: int, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's iterations; a centroid without rows restarts at a random row."""
    count = len(centroids)
    for _ in range(iterations):
        assigned = nearest(sample, centroids)
        centroids = means_of(sample, assigned, centroids)
        empty = np.flatnonzero(np.bincount(assigned, minlength=count) == 0)
        centroids[empty] = sample[rng.choice(len(sample), len(empty))]
    return centroids


def means_of(rows: np.ndarray, assigned: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The mean of the rows assigned to each centroid; a centroid without rows stays where it is."""
    counts = np.bincount(assigned, minlength=len(centroids))
    filled = counts > 0
    means = centroids.copy()
    starts = (np.cumsum(counts) - counts)[filled]
    means[filled] = np.add.reduceat(rows[np.argsort(assigned, kind="stable")], starts, axis=0) / counts[filled, None]
    return means
