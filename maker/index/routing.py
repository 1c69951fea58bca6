"""Learns from queries which leaves to look into.

A centroid says where a leaf's items are. A query has to know where its neighbours are, which is not the same when queries are of another
kind than items, as sentences are. The vectors that score leaves are therefore trained as a linear classifier from queries to the leaves of
their true neighbours, starting at the centroids (Vecchiato et al., "A Learning-to-Rank Formulation of Clustering-Based Approximate Nearest
Neighbor Search", SIGIR 2024). The search stays as it is and costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EPOCHS, BATCH = 4, 256
RATE, SHARPNESS = 1e-3, 20.0
FIRST_DECAY, SECOND_DECAY, SMALL = 0.9, 0.999, 1e-8
HELD_OUT = 0.15
QUANTILE = 0.95


@dataclass(frozen=True)
class Router:
    """What scores leaves (or groups of leaves) for a query q: `vectors @ q + bias`, larger is better.

    Attributes:
        vectors: `(leaves, d)` float32.
        bias: `(leaves,)` float32.
        learned: Queries that it was learned from; 0 where it is the centroids.
    """

    vectors: np.ndarray
    bias: np.ndarray
    learned: int = 0

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """`(q, leaves)` float32."""
        found: np.ndarray = queries @ self.vectors.T
        found += self.bias
        return found


def centroid_router(centroids: np.ndarray, distance: str) -> Router:
    """Scores leaves by their centroid's dot product or, where distances are squared L2, by its distance."""
    bias = np.zeros(len(centroids), np.float32)
    if distance == "squared_l2":
        bias = (-0.5 * np.einsum("ld,ld->l", centroids, centroids)).astype(np.float32)
    return Router(centroids, bias)


def learn_router(start: Router, queries: np.ndarray, targets: np.ndarray, seed: int) -> Router:
    """Trains on most of the queries; the rest decides whether that was any better than the start.

    Args:
        start: Where to begin.
        queries: `(q, d)` float32.
        targets: `(q, k)` int: the leaves of each query's true neighbours.
        seed: Of the split and the order.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(queries))
    held_out = shuffled[: max(1, int(HELD_OUT * len(queries)))]
    training = shuffled[len(held_out) :]
    if len(training) < BATCH:
        return start
    trained = _train(start, queries[training], targets[training], rng)
    if _needed(trained, queries[held_out], targets[held_out]) < _needed(start, queries[held_out], targets[held_out]):
        return trained
    return start


def _needed(router: Router, queries: np.ndarray, targets: np.ndarray) -> float:
    """How many leaves have to be scanned for most of the neighbours."""
    ranks = []
    for start in range(0, len(queries), BATCH):
        scores = router.scores(queries[start : start + BATCH])
        wanted = np.take_along_axis(scores, targets[start : start + BATCH], 1)
        ordered = np.sort(scores, axis=1)
        ranks += [scores.shape[1] - np.searchsorted(row, value, "right") for row, value in zip(ordered, wanted, strict=True)]
    return float(np.quantile(np.concatenate(ranks), QUANTILE))


def _train(start: Router, queries: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> Router:
    """Softmax regression by Adam (Kingma, Ba, ICLR 2015) with a cosine schedule."""
    scale = SHARPNESS / max(float(np.linalg.norm(queries, axis=1).mean() * np.linalg.norm(start.vectors, axis=1).mean()), 1e-9)
    rate = RATE * float(np.linalg.norm(start.vectors, axis=1).mean())
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
            now = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for i, gradient in enumerate((residual.T @ batch, residual.sum(0))):
                first[i] = FIRST_DECAY * first[i] + (1 - FIRST_DECAY) * gradient
                second[i] = SECOND_DECAY * second[i] + (1 - SECOND_DECAY) * gradient * gradient
                mean, square = first[i] / (1 - FIRST_DECAY**step), second[i] / (1 - SECOND_DECAY**step)
                weights[i] -= (now * mean / (np.sqrt(square) + SMALL)).astype(np.float32)
    return Router(weights[0].astype(np.float32), weights[1].astype(np.float32), len(queries))
