"""A projection to few dimensions, in which a query scans the rows of an index; the best are then scored again by whole rows.

The rows of a pretrained encoder have 384 to 768 dimensions, but their dot products with queries vary in few directions. With A the
covariance of the items and B the second moments of the queries, the eigenvectors of sqrt(A) B sqrt(A) are these directions, in the order of
how much dot products vary along them. Unlike the principal components of the items, they leave out what no query asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE = 20_000
RIDGE = 1e-5  # relative to the mean variance


@dataclass(frozen=True)
class Projection:
    """The dot product of an item x and a query q is about `(x @ items) @ (q @ queries)`, except for a constant of each query.

    Attributes:
        items: `(d, p)` float32. Projected items vary equally in all p dimensions, so that 8 bits serve all of them alike.
        queries: `(d, p)` float32.
    """

    items: np.ndarray
    queries: np.ndarray


def learn_projection(embeddings: np.ndarray, queries: np.ndarray, dimension: int, seed: int) -> Projection:
    """Learns a projection.

    Args:
        embeddings: `(n, d)` float32, of which a sample is used; may be memory-mapped.
        queries: `(q, d)` float32, representative of future queries.
        dimension: p, at most d.
        seed: Seeds the sample.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(embeddings), min(SAMPLE, len(embeddings)), replace=False))
    rows = np.asarray(embeddings[chosen], np.float64)
    rows -= rows.mean(0)
    asked = np.asarray(queries[:SAMPLE], np.float64)
    covariance, moments = rows.T @ rows / len(rows), asked.T @ asked / len(asked)
    every = np.eye(rows.shape[1])
    values, vectors = np.linalg.eigh(covariance + max(RIDGE * np.trace(covariance) / len(every), 1e-20) * every)
    root, inverse = (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T
    moments += RIDGE * np.trace(moments) / len(every) * every
    directions = np.linalg.eigh(root @ moments @ root)[1][:, ::-1][:, :dimension]
    # Projected by `inverse @ directions`, items have a variance of 1 in each dimension.
    return Projection((inverse @ directions).astype(np.float32), (root @ directions).astype(np.float32))
