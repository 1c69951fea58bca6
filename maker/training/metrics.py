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


def recall(found: np.ndarray) -> dict[str, float]:
    """R@1, R@5 and R@10 in percent: queries whose target is among the first k."""
    return {f"R@{cut}": round(100 * float((found < cut).mean()), 2) for cut in CUTS}
