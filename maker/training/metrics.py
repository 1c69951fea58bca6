"""Retrieval figures over embeddings."""

from __future__ import annotations

import numpy as np

CUTS = (1, 5, 10)
BLOCK = 2048


def ranks(queries: np.ndarray, items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How many items are nearer to each query than its target, by dot product.

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32.
        targets: `(q,)` the item that answers each query.

    Returns:
        `(q,)` int; 0 is best. Items that tie with the target count as half, so that a constant model does not score.
    """
    found = np.empty(len(queries), np.float64)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK] @ items.T
        own = scores[np.arange(len(scores)), targets[start : start + BLOCK]][:, None]
        found[start : start + BLOCK] = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return found


def interval(found: np.ndarray, groups: np.ndarray, cut: int, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval of R@cut in percent (Efron, Tibshirani, 1993, chapter 13), drawn by image.

    Args:
        found: `(q,)` ranks.
        groups: `(q,)` the image of each query: captions of one image are not independent.
        cut: k of R@k.
        draws: Resamplings.
        seed: Of the resampling.
    """
    _, number = np.unique(groups, return_inverse=True)
    hits = np.bincount(number, found < cut)
    sizes = np.bincount(number)
    chosen = np.random.default_rng(seed).integers(0, len(hits), (draws, len(hits)))
    values = 100 * hits[chosen].sum(1) / sizes[chosen].sum(1)
    low, high = np.percentile(values, (2.5, 97.5))
    return round(float(low), 2), round(float(high), 2)


def retrieval(found: np.ndarray, groups: np.ndarray) -> dict[str, object]:
    """R@1, R@5, R@10 with intervals, the median rank (1 is best) and the mean reciprocal rank.

    Args:
        found: `(q,)` ranks from 0.
        groups: `(q,)` the image of each query.
    """
    return {
        **recall(found),
        "R@10_interval": interval(found, groups, 10),
        "median_rank": float(np.median(found)) + 1,
        "MRR": round(float((1 / (found + 1)).mean()), 4),
    }


def nearest_positive_ranks(queries: np.ndarray, items: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """How many items are nearer to each query than the nearest that answers it.

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32.
        positives: `(n,)` the query that each item answers.

    Returns:
        `(q,)` float; 0 is best. Queries that nothing answers are at n.
    """
    found = np.empty(len(queries), np.float64)
    for row, query in enumerate(queries):
        scores = items @ query
        own = scores[positives == row]
        found[row] = (scores > own.max()).sum() if len(own) else len(items)
    return found


def recall(found: np.ndarray) -> dict[str, float]:
    """R@1, R@5 and R@10 in percent: queries whose target is among the first k."""
    return {f"R@{cut}": round(100 * float((found < cut).mean()), 2) for cut in CUTS}
