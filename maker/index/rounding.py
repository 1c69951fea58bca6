"""Rounds rows so that their dot products with queries change little.

Rounding to the nearest code makes the error of each dimension small. But the queries for which a row is among the nearest are alike: they
vary in few directions, and only errors in these directions change results. Dimensions are therefore rounded one after the other, and those
that are still to come make up for the error so far (GPTQ: Frantar et al., ICLR 2023; it is Babai's nearest plane algorithm, 1986). With H
the second moments of the queries, each row's error e has a small eᵀHe. Reading such rows takes nothing new.

ScaNN's anisotropic rounding (Guo et al., ICML 2020) takes the row itself for the direction of its queries. Sentences lie in another cone
than pictures, and there it gains little: `make bench-rounding`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.index.kmeans import assign_leaves, train_centroids
from maker.index.options import Tree
from maker.index.projection import Projection

REGIONS = 64
MOMENT_BYTES = 64 << 20  # fewer regions if their moments would take more
SAMPLE, ITERATIONS = 20_000, 6
QUERY_SHARE, QUERIES_PER_DIMENSION = 1 / 20, 2  # of a region: whichever are more queries
LARGEST_ERROR = 1  # that later dimensions make up for, in steps
LARGEST_OUTLIER = 4  # steps beyond the largest code; rows with a larger one are rounded to the nearest: nothing can make up for it
# Shape of the matrix products: dimensions rounded, dimensions updated, rows. OpenBLAS starts no threads for products of this size; on a
# busy machine they would wait for each other ten times longer than they compute.
AT_ONCE, UPDATED, ROWS = 16, 64, 256


@dataclass(frozen=True)
class QueryMoments:
    """What queries ask for in each region of the rows.

    Attributes:
        centres: `(r, d)` float32: a row lies in the region of the nearest centre.
        moments: `(r, d, d)` float32: second moments of the queries to which the region is nearest; for squared L2 distances, of their
            differences from the centre.
    """

    centres: np.ndarray
    moments: np.ndarray

    def projected(self, projection: Projection) -> QueryMoments:
        """The same for projected rows and queries."""
        queries = projection.queries
        return QueryMoments(self.centres @ projection.items, queries.T @ self.moments @ queries)


def learn_moments(embeddings: np.ndarray, queries: np.ndarray, distance: str, seed: int) -> QueryMoments | None:
    """Learns the moments of queries.

    Args:
        embeddings: `(n, d)` float32, of which a sample is used; may be memory-mapped.
        queries: `(q, d)` float32, representative of future queries.
        distance: `dot_product` or `squared_l2`.
        seed: Seeds the sample and the regions.

    Returns:
        None if there are fewer than 2 d queries, or if they are all zero.
    """
    dimension = embeddings.shape[1]
    near = max(QUERIES_PER_DIMENSION * dimension, int(QUERY_SHARE * len(queries)))
    if len(queries) < near or not np.any(queries):
        return None
    count = min(REGIONS, len(embeddings), max(1, MOMENT_BYTES // (4 * dimension * dimension)))
    tree = Tree(count, 1, training_sample_size=SAMPLE, training_iterations=ITERATIONS)
    centres = train_centroids(embeddings, tree, seed, trainer="own")[0]
    scores = centres @ queries.T
    if distance == "squared_l2":
        scores -= 0.5 * np.einsum("qd,qd->q", queries, queries)
    moments = np.empty((count, dimension, dimension), np.float32)
    for centre, of_queries, moment in zip(centres, scores, moments, strict=True):
        asked = queries[np.sort(np.argpartition(-of_queries, near - 1)[:near])]
        if distance == "squared_l2":
            asked = asked - centre
        np.matmul(asked.T, asked, out=moment)
    return QueryMoments(centres, moments / np.float32(near))


class Rounding:
    """Rounds rows by the moments of queries."""

    def __init__(self, moments: QueryMoments, ridge: float) -> None:
        """Prepares the feedback of each region: how much an error of 1 in each dimension changes the later ones.

        Args:
            moments: What queries ask for.
            ridge: What queries of another kind may ask for in each dimension, relative to the mean moment.
        """
        self._centres = moments.centres
        dimension = moments.centres.shape[1]
        self._orders = np.argsort(-np.einsum("rdd->rd", moments.moments), axis=1, kind="stable")
        self._feedback = np.empty_like(moments.moments)
        for moment, order, feedback in zip(moments.moments, self._orders, self._feedback, strict=True):
            mean = max(float(np.trace(moment)) / dimension, 1e-20)
            wanted = moment[np.ix_(order, order)].astype(np.float64) / (ridge * mean) + np.eye(dimension)
            root = np.linalg.cholesky(np.linalg.inv(wanted))
            feedback[:] = root / np.diag(root)

    def codes(self, values: np.ndarray, rows: np.ndarray, least: float, largest: float) -> np.ndarray:
        """Rounds values to `least`, `least` + 1 … `largest`.

        Args:
            values: `(n, d)` float32: the rows, or their differences from centroids, in units of their steps.
            rows: `(n, d)` float32: the rows, which tell the regions.
            least: The least code.
            largest: The largest code.

        Returns:
            `(n, d)` float32.
        """
        counted = values - np.float32(least)
        codes = np.clip(np.rint(counted), 0, largest - least)
        reachable = np.flatnonzero(np.abs(counted - codes).max(axis=1) <= LARGEST_OUTLIER)
        for region, places in self._members(rows[reachable]):
            members, order = reachable[places], self._orders[region]
            part = np.ascontiguousarray(counted[members][:, order].T)
            codes[members[:, None], order] = _rounded(part, self._feedback[region], largest - least).T
        codes += np.float32(least)
        return codes

    def _members(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """The regions that hold rows, and the numbers of these rows, at most `ROWS` at a time."""
        regions = assign_leaves(rows, self._centres)
        order = np.argsort(regions, kind="stable")
        starts = np.flatnonzero(np.diff(regions[order], prepend=-1))
        for members in np.split(order, starts[1:]):
            for first in range(0, len(members), ROWS):
                yield int(regions[members[0]]), members[first : first + ROWS]


def _rounded(values: np.ndarray, feedback: np.ndarray, largest: float) -> np.ndarray:
    """The codes, from 0 to `largest`, of `(d, n)` values, which it changes; `feedback` is `(d, d)`: row i is what dimension i takes."""
    codes = np.empty_like(values)
    errors = np.empty((AT_ONCE, values.shape[1]), np.float32)
    for first in range(0, len(values), AT_ONCE):
        end = min(first + AT_ONCE, len(values))
        for i in range(first, end):
            value, code = values[i], codes[i]
            if i > first:
                value -= feedback[i, first:i] @ errors[: i - first]
            np.rint(value, out=code)
            np.maximum(code, np.float32(0), out=code)
            np.minimum(code, np.float32(largest), out=code)
            error = np.subtract(value, code, out=errors[i - first])
            np.maximum(error, np.float32(-LARGEST_ERROR), out=error)
            np.minimum(error, np.float32(LARGEST_ERROR), out=error)
        for start in range(end, len(values), UPDATED):
            part = slice(start, start + UPDATED)
            values[part] -= feedback[part, first:end] @ errors[: end - first]
    return codes
