"""The metric for partitioning when queries are distributed differently from items.

A leaf is good if its rows have nearly the same dot product with any query; their distances from each other do not matter. Directions
in which queries are long therefore count more, and directions that only items use count less. Rows are multiplied by the square root of

    W = A⁻¹ # B,    A the covariance of the items, B the second moments of the queries,

the geometric mean of the two matrices (Bhatia, "Positive Definite Matrices", 2007, chapter 4). Other powers lie between ignoring the
queries and measuring by dot products alone; this one needs by far the fewest scanned rows. W is also the optimal transport from a normal
distribution of the items to one of the queries, so `sqrt(W) x` moves items half-way to the queries. If queries and items are distributed
alike, it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

SAMPLE = 20_000
QUERIES_PER_DIMENSION = 32  # fewer queries describe themselves rather than their distribution
RIDGE, FLOOR = 1e-3, 1e-3


@dataclass(frozen=True)
class TransformedEmbeddings:
    """Embeddings after a linear map; rows are mapped when they are read.

    Attributes:
        embeddings: `(n, d)`; may be memory-mapped.
        transform: `(d, d)` float32, applied from the right.
    """

    embeddings: np.ndarray
    transform: np.ndarray

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        return np.asarray(self.embeddings[rows], np.float32) @ self.transform


Rows: TypeAlias = np.ndarray | TransformedEmbeddings


def unmapped(rows: Rows) -> np.ndarray:
    """The embeddings that `mapped` maps to these rows, `(n, d)`."""
    return rows.embeddings if isinstance(rows, TransformedEmbeddings) else rows


def mapped(vectors: np.ndarray, rows: Rows) -> np.ndarray:
    """Other vectors `(m, d)` float32, mapped as those rows are."""
    return vectors @ rows.transform if isinstance(rows, TransformedEmbeddings) else vectors


def learn_transform(embeddings: np.ndarray, queries: np.ndarray, seed: int) -> np.ndarray | None:
    """The linear map after which leaves are partitioned by squared L2 distance.

    Args:
        embeddings: `(n, d)` float32, of which a sample is used.
        queries: `(q, d)` float32, representative of future queries.
        seed: Seeds the sample.

    Returns:
        `(d, d)` float32 of full rank; None if there are too few queries, or queries or items are all alike.
    """
    dimension = embeddings.shape[1]
    if len(queries) < QUERIES_PER_DIMENSION * dimension:
        return None
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(embeddings), min(SAMPLE, len(embeddings)), replace=False))
    rows = np.asarray(embeddings[chosen], np.float64)
    rows -= rows.mean(0)
    queries = np.asarray(queries, np.float64)
    item_covariance, query_moments = rows.T @ rows / len(rows), queries.T @ queries / len(queries)
    scale = np.trace(query_moments) / dimension
    if not (scale > 0 and np.trace(item_covariance) > 0):
        return None
    root = _square_root(query_moments + RIDGE * scale * np.eye(dimension))
    # With root(B) root(A) = U S V', W = root(B) U S⁻¹ U' root(B). FLOOR avoids 1 / 0 in directions without items.
    u, s, _ = np.linalg.svd(root @ _square_root(item_covariance))
    return np.asarray(root @ u / np.sqrt(np.maximum(s, FLOOR * s[0])), np.float32)


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root
