"""Learns from queries which leaves to scan.

A centroid says where the items of a leaf are. But a query needs the leaves that hold its neighbours, and these differ if queries are
distributed differently from items, as sentences are from pictures. The vectors that score leaves are therefore trained as a linear
classifier from queries to the leaves of their true neighbours, starting at the centroids (Vecchiato et al., "A Learning-to-Rank Formulation
of Clustering-Based Approximate Nearest Neighbor Search", SIGIR 2024). The search itself and its cost stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EPOCHS, BATCH = 4, 256
LEARNING_RATE, SHARPNESS = 1e-3, 20.0
FIRST_DECAY, SECOND_DECAY, SMALL = 0.9, 0.999, 1e-8
HELD_OUT = 0.15
QUANTILE = 0.95


@dataclass(frozen=True)
class Router:
    """Scores leaves (or groups of leaves) for a query q: `vectors @ q + bias`, larger is better.

    Attributes:
        vectors: `(leaves, d)` float32.
        bias: `(leaves,)` float32.
        training_queries: Number of queries it was trained on; 0 if the vectors are the centroids.
    """

    vectors: np.ndarray
    bias: np.ndarray
    training_queries: int = 0

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """Scores of `(q, d)` queries, `(q, leaves)` float32."""
        scores: np.ndarray = queries @ self.vectors.T
        scores += self.bias
        return scores


def centroid_router(centroids: np.ndarray, distance: str) -> Router:
    """Scores leaves by the dot product with their centroid, or by its negative distance if `distance` is `squared_l2`."""
    bias = np.zeros(len(centroids), np.float32)
    if distance == "squared_l2":
        bias = (-0.5 * np.einsum("ld,ld->l", centroids, centroids)).astype(np.float32)
    return Router(centroids, bias)


def learn_router(start: Router, queries: np.ndarray, targets: np.ndarray, seed: int) -> Router:
    """Trains on most of the queries, and keeps the result only if the held-out queries then need fewer leaves.

    Args:
        start: Where training begins.
        queries: `(q, d)` float32.
        targets: `(q, k)` int: the leaves of each query's true neighbours.
        seed: Seeds the split and the order of the queries.

    Returns:
        The trained router; `start` if it is not better, or if there are too few queries.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(queries))
    held_out = shuffled[: max(1, int(HELD_OUT * len(queries)))]
    training = shuffled[len(held_out) :]
    if len(training) < BATCH:
        return start
    trained = _train(start, queries[training], targets[training], rng)
    if _leaves_needed(trained, queries[held_out], targets[held_out]) < _leaves_needed(start, queries[held_out], targets[held_out]):
        return trained
    return start


def _leaves_needed(router: Router, queries: np.ndarray, targets: np.ndarray) -> float:
    """How many leaves a query has to scan to find 95 % of the neighbours."""
    ranks = []
    for start in range(0, len(queries), BATCH):
        scores = router.scores(queries[start : start + BATCH])
        targeted = np.take_along_axis(scores, targets[start : start + BATCH], 1)
        ordered = np.sort(scores, axis=1)
        ranks += [scores.shape[1] - np.searchsorted(row, value, "right") for row, value in zip(ordered, targeted, strict=True)]
    return float(np.quantile(np.concatenate(ranks), QUANTILE))


def _train(start: Router, queries: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> Router:
    """Softmax regression with Adam (Kingma, Ba, ICLR 2015) and a cosine schedule."""
    scale = SHARPNESS / max(float(np.linalg.norm(queries, axis=1).mean() * np.linalg.norm(start.vectors, axis=1).mean()), 1e-9)
    rate = LEARNING_RATE * float(np.linalg.norm(start.vectors, axis=1).mean())
    weights = [start.vectors.copy(), start.bias.copy()]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    steps = EPOCHS * (len(queries) // BATCH)
    step = 0
    for _ in range(EPOCHS):
        shuffled = rng.permutation(len(queries))
        for begin in range(0, len(queries) - BATCH + 1, BATCH):
            chosen = shuffled[begin : begin + BATCH]
            batch = queries[chosen]
            residual = scale * (batch @ weights[0].T + weights[1])
            residual -= residual.max(1, keepdims=True)
            np.exp(residual, out=residual)
            residual /= residual.sum(1, keepdims=True)
            np.subtract.at(residual, (np.arange(BATCH)[:, None], targets[chosen]), np.float32(1 / targets.shape[1]))
            residual *= np.float32(scale / BATCH)
            step += 1
            current_rate = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for i, gradient in enumerate((residual.T @ batch, residual.sum(0))):
                first[i] = FIRST_DECAY * first[i] + (1 - FIRST_DECAY) * gradient
                second[i] = SECOND_DECAY * second[i] + (1 - SECOND_DECAY) * gradient * gradient
                mean, square = first[i] / (1 - FIRST_DECAY**step), second[i] / (1 - SECOND_DECAY**step)
                weights[i] -= (current_rate * mean / (np.sqrt(square) + SMALL)).astype(np.float32)
    return Router(weights[0].astype(np.float32), weights[1].astype(np.float32), len(queries))
