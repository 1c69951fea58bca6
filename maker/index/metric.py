"""Distances by which leaves are cut where queries are of another kind than items.

A leaf is good when its rows have nearly the same dot product with any query, whatever the rows' distance is otherwise. Directions in which
queries lie far out therefore count more, those that only items use count less. Rows are stretched by the square root of

    W = A⁻¹ # B,    A the covariance of the items, B the second moments of the queries,

the geometric mean of the two matrices (Bhatia, "Positive Definite Matrices", 2007, chapter 4): of all powers between taking no notice of
queries and measuring by dot products alone it needs the fewest rows by far. W is also the optimal transport of a normal distribution of the
items to one of the queries, so that `sqrt(W) x` moves items half way to where the queries are. Where queries are distributed as the items
are, it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE = 20_000
QUERIES_PER_DIMENSION = 32  # fewer tell more of themselves than of how queries are distributed
RIDGE, FLOOR = 1e-3, 1e-3


@dataclass(frozen=True)
class Stretched:
    """Embeddings as they look after a linear map; rows are mapped when they are taken.

    Attributes:
        embeddings: `(n, d)`; may be memory-mapped.
        stretch: `(d, d)` float32, applied from the right.
    """

    embeddings: np.ndarray
    stretch: np.ndarray

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        return np.asarray(self.embeddings[rows], np.float32) @ self.stretch


def stretch_between(embeddings: np.ndarray, queries: np.ndarray, seed: int) -> np.ndarray | None:
    """The map from embeddings to what leaves are cut by, `(d, d)` float32 of full rank.

    Args:
        embeddings: `(n, d)` float32, of which a sample is taken.
        queries: `(q, d)` float32, of the kind that will be asked.
        seed: Of the sample.

    Returns:
        The map; None where there are too few queries to say.
    """
    dimension = embeddings.shape[1]
    if len(queries) < QUERIES_PER_DIMENSION * dimension:
        return None
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(embeddings), min(SAMPLE, len(embeddings)), replace=False))
    rows = np.asarray(embeddings[chosen], np.float64)
    rows -= rows.mean(0)
    asked = np.asarray(queries, np.float64)
    of_items, of_queries = rows.T @ rows / len(rows), asked.T @ asked / len(asked)
    scale = np.trace(of_queries) / dimension
    if not (scale > 0 and np.trace(of_items) > 0):
        return None
    root = _root(of_queries + RIDGE * scale * np.eye(dimension))
    # With root(B) root(A) = U S V', W = root(B) U S⁻¹ U' root(B); directions without items get a floor in the place of 1 / 0.
    u, s, _ = np.linalg.svd(root @ _root(of_items))
    return np.asarray(root @ u / np.sqrt(np.maximum(s, FLOOR * s[0])), np.float32)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root
