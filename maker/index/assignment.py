"""Assigns rows to centroids of fixed sizes.

Each centroid has a price that keeps it within its size: when too many rows choose a centroid, its price rises until demand fits (the
auction view of the assignment problem; Bertsekas, Annals of Operations Research 14, 1988). Rows that are left over go to their next choices
with free places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 16_384  # rows at a time, whose choices stay in the cache
SPREAD_ROWS = 4096  # rows that show how widely scores spread
STEPS_OF_ONE_SIZE = 10  # then the steps of the prices become smaller


@dataclass(frozen=True)
class Near:
    """The centroids that each row chooses from, `(n, c)` int32, and their scores, `(n, c)` float32; larger is nearer."""

    centroids: np.ndarray
    scores: np.ndarray

    def demand(self, prices: np.ndarray) -> np.ndarray:
        """`(centroids,)`: how many rows choose each centroid at these prices. A row chooses by score minus price."""
        demand = np.zeros(len(prices), np.int64)
        for chosen in self._chosen(prices):
            demand += np.bincount(chosen, minlength=len(prices))
        return demand

    def best(self, prices: np.ndarray) -> np.ndarray:
        """`(n,)` int32: the centroid that each row chooses at these prices."""
        return np.concatenate(list(self._chosen(prices)))

    def _chosen(self, prices: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(self.scores), BLOCK):
            centroids = self.centroids[start : start + BLOCK]
            values = prices.take(centroids)
            np.subtract(self.scores[start : start + BLOCK], values, out=values)
            yield centroids.ravel().take(values.argmax(1) + np.arange(0, centroids.size, centroids.shape[1]))

    def sort(self, prices: np.ndarray) -> None:
        """Sorts the centroids of each row by score minus price, best first, and subtracts the prices from the scores, in place."""
        for start in range(0, len(self.scores), BLOCK):
            part = slice(start, start + BLOCK)
            centroids = self.centroids[part]
            values = self.scores[part] - prices[centroids]
            order = np.argsort(-values, axis=1, kind="stable")
            self.centroids[part], self.scores[part] = np.take_along_axis(centroids, order, 1), np.take_along_axis(values, order, 1)


def taken_best(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns of the `count` largest values of each row of `(n, c)` scores, largest first, and these values; both `(n, count)`.

    Overwrites the scores that it takes. For a few columns this is several times faster than `np.argpartition`.
    """
    rows = np.arange(len(scores))
    columns, values = np.empty((len(scores), count), np.int32), np.empty((len(scores), count), scores.dtype)
    for place in range(count):
        best = scores.argmax(1)
        columns[:, place], values[:, place] = best, scores[rows, best]
        scores[rows, best] = -np.inf
    return columns, values


def prices_of(
    near: Near,
    sizes: np.ndarray,
    steps: int,
    start: np.ndarray | None = None,
    gain: float = 1,
    shrink: float = 0.7,
    enough: float = 0.01,
) -> np.ndarray:
    """Prices at which about as many rows choose each centroid as it has places.

    Args:
        near: The centroids that rows choose from.
        sizes: `(c,)` float: places of each centroid.
        steps: The most steps.
        start: `(c,)` float32: prices to start from; None for 0.
        gain: A price takes a whole step where its centroid is over its size by the share `1 / gain` of it, or more.
        shrink: Factor of the steps after every ten.
        enough: Share of the rows that may be over the sizes; `fill` moves them. Prices of a sample must not follow its noise.

    Returns:
        `(c,)` float32. If there are more places than rows, none is below 0.
    """
    rows = len(near.scores)
    spread = near.scores[:SPREAD_ROWS]
    step = np.float32(0.3 * (spread.max(1) - np.median(spread, axis=1)).std() + 1e-6)
    spare = sizes.sum() > 1.1 * rows
    prices = np.zeros(len(sizes), np.float32) if start is None else start.copy()
    best, least = prices, np.inf
    for number in range(1, steps + 1):
        demand = near.demand(prices)
        excess = np.maximum(demand - sizes, 0).sum()
        if excess < least:
            best, least = prices.copy(), excess
        if excess <= enough * rows:
            break
        prices += step * np.clip(gain * (demand / np.maximum(sizes, 1e-9) - 1), -1, 1).astype(np.float32)
        if spare:  # no centroid has to be full
            np.maximum(prices, 0, out=prices)
        if number % STEPS_OF_ONE_SIZE == 0:
            step *= np.float32(shrink)
    return best


def fill(near: Near, sizes: np.ndarray) -> np.ndarray:
    """Assigns rows to their best centroids with free places.

    Where too many rows choose a centroid, those with the most to lose elsewhere stay; the others move on to their next choice.

    Args:
        near: The centroids of each row, sorted by `Near.sort`.
        sizes: `(c,)` int: places of each centroid.

    Returns:
        `(n,)` int32: the centroid of each row; -1 if none of its choices has a free place.
    """
    assigned = np.full(len(near.centroids), -1, np.int32)
    free = sizes.copy()
    last = near.centroids.shape[1] - 1
    for rank in range(last + 1):
        waiting = np.flatnonzero(assigned < 0)
        wanted = near.centroids[waiting, rank]
        regret = near.scores[waiting, rank] - near.scores[waiting, min(rank + 1, last)]
        ranked = np.lexsort((-regret, wanted))
        ordered = wanted[ranked]
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        accepted = ranked[place < free[ordered]]
        assigned[waiting[accepted]] = wanted[accepted]
        free -= np.bincount(wanted[accepted], minlength=len(free))
    return assigned
