"""A projection to few dimensions, in which a query scans the rows of an index; the best are then scored again by whole rows.

The rows of a pretrained encoder have 384 to 768 dimensions, but their dot products with queries vary in few directions. With A the
second moments of the items and B those of the queries, the eigenvectors of sqrt(A) B sqrt(A) are these directions, in the order of how much
they add to dot products. Unlike the principal components of the items, they leave out what no query asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE = 20_000
BLOCK = 8192  # rows projected at a time
RIDGE = 1e-5  # relative to the mean variance


@dataclass(frozen=True)
class Projection:
    """The dot product of an item x and a query q is about `(x @ items) @ (q @ queries)`.

    Attributes:
        items: `(d, p)` float32. Projected items and queries vary alike in each of the p dimensions: with this scale, leaves by squared L2
            distance are good leaves for dot products (`maker.index.metric`).
        queries: `(d, p)` float32.
    """

    items: np.ndarray
    queries: np.ndarray

    def of_items(self, embeddings: np.ndarray) -> np.ndarray:
        """The projected items, `(n, p)` float32; `embeddings` may be memory-mapped."""
        projected = np.empty((len(embeddings), self.items.shape[1]), np.float32)
        for start in range(0, len(embeddings), BLOCK):
            projected[start : start + BLOCK] = np.asarray(embeddings[start : start + BLOCK], np.float32) @ self.items
        return projected


@dataclass(frozen=True)
class Directions:
    """Directions by falling second moments of dot products.

    Attributes:
        items: `(d, d)` float32. Items along a direction have second moments of 1.
        queries: `(d, d)` float32. `items.T @ queries` is the unit matrix.
        moments: `(d,)` float64, the second moments of queries along each direction.
    """

    items: np.ndarray
    queries: np.ndarray
    moments: np.ndarray

    def first(self, dimension: int) -> Projection:
        """A projection to the first directions, to scan rows and to form leaves in."""
        scale = (np.maximum(self.moments, self.moments[0] * 1e-9) ** 0.25)[:dimension].astype(np.float32)
        return Projection(self.items[:, :dimension] * scale, self.queries[:, :dimension] / scale)

    def rest(self, first: int, dimension: int) -> Projection:
        """A projection to the directions from `first` on, for 4-bit rows: all directions vary alike, so that one scale serves a row."""
        chosen = slice(first, first + dimension)
        return Projection(np.ascontiguousarray(self.items[:, chosen]), np.ascontiguousarray(self.queries[:, chosen]))


def learn_directions(embeddings: np.ndarray, queries: np.ndarray, seed: int) -> Directions:
    """Learns the directions along which dot products vary.

    Args:
        embeddings: `(n, d)` float32, of which a sample is used; may be memory-mapped.
        queries: `(q, d)` float32, representative of future queries.
        seed: Seeds the sample.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(embeddings), min(SAMPLE, len(embeddings)), replace=False))
    rows = np.asarray(embeddings[chosen], np.float64)
    asked = np.asarray(queries[:SAMPLE], np.float64)
    of_items, moments = rows.T @ rows / len(rows), asked.T @ asked / len(asked)
    every = np.eye(rows.shape[1])
    values, vectors = np.linalg.eigh(of_items + max(RIDGE * np.trace(of_items) / len(every), 1e-20) * every)
    root, inverse = (vectors * np.sqrt(values)) @ vectors.T, (vectors / np.sqrt(values)) @ vectors.T
    # Few queries do not show all that queries ask for; what they leave open is taken from the items.
    weight = len(every) / (len(every) + len(asked))
    moments = (1 - weight) * moments + weight * np.trace(moments) / max(np.trace(of_items), 1e-20) * of_items
    moments += RIDGE * np.trace(moments) / len(every) * every
    asked_for, directions = (of[..., ::-1] for of in np.linalg.eigh(root @ moments @ root))
    return Directions((inverse @ directions).astype(np.float32), (root @ directions).astype(np.float32), asked_for)
