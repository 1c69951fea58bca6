"""Partitions embeddings into leaves of equal size, so that each leaf is one block of rows in the file.

A graph has static shapes. With leaves of different sizes, the graph would first have to look up which blocks belong to the selected leaves,
and these lookups cost more than scoring the rows. With leaves of equal size, the number of a leaf is the number of its block.

Many leaves are made in two levels: first groups of leaves, which may differ in size, then leaves within each group. Each centroid has a
price that keeps it within its capacity: when too many rows choose a centroid, its price rises until demand fits (the auction view of the
assignment problem; Bertsekas, Annals of Operations Research 14, 1988). Rows that are left over go to the best centroid with free capacity.
Finally, leaves swap rows while that brings both rows closer to their centroids. Without the swaps, the last rows of a cluster are
scattered over leaves that no query for them scans.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from maker.index.metric import TransformedEmbeddings
from maker.progress import progress

TWO_LEVELS_FROM = 1024  # leaves
LEAVES_PER_GROUP = 5  # a query scores all groups, then the leaves of some: small groups are selected more precisely than large ones
MANY_GROUPS, MOST_LEAVES_PER_GROUP = 1000, 64  # beyond MANY_GROUPS, groups grow up to that size
LARGE_GROUP_SLACK = 1.25  # capacity of a large group, relative to its mean size
BLOCK = 8192  # embeddings per matrix product
SAMPLE_PER_CENTROID, LARGEST_SAMPLE = 160, 100_000
COARSE_FROM = 64  # centroids from which k-means starts at the centroids of a k-means within each part of a coarse k-means
LLOYD_ITERATIONS, AFTER_COARSE = 6, 2
PRICING_ROUNDS, PRICE_STEPS = 1, 30
NEAREST_CENTROIDS, SPREAD_ROWS = 32, 4096  # centroids that a row chooses from; rows that show how widely scores spread
CHOICES = 8  # centroids that `_fill` offers each row
SWAP_ROUNDS, SWAPS, SMALLEST_GAIN = 3, 200, 1e-6
MOST_SCORES = 1 << 25  # of rows in leaves that are held at a time while rows are swapped


Trainer: TypeAlias = Callable[[np.ndarray, int], np.ndarray]  # from a sample `(s, d)` and a number of centroids to these


@dataclass(frozen=True)
class Partition:
    """Leaves of equal size; only the last one may have fewer rows.

    Attributes:
        order: `(n,)` int32: the item in each row, leaf by leaf.
        rows_per_leaf: Size of a leaf.
        centroids: `(leaves, d)` float32: the mean of each leaf.
        leaves_per_group: `(groups,)` int: number of consecutive leaves in each group; one group if there is only one level.
    """

    order: np.ndarray
    rows_per_leaf: int
    centroids: np.ndarray
    leaves_per_group: np.ndarray


def partition(embeddings: np.ndarray | TransformedEmbeddings, leaves: int, seed: int, train: Trainer | None = None) -> Partition:
    """Partitions embeddings by squared L2 distance.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped or transformed.
        leaves: Approximate number of leaves.
        seed: Seeds the samples and the initial centroids.
        train: Trains the first centroids of groups, or of leaves if there are no groups; None for the k-means of this module.
    """
    items = len(embeddings)
    leaves, rows_per_leaf = leaf_shape(items, leaves)
    rng = np.random.default_rng(seed)
    groups = [np.arange(items, dtype=np.int32)]
    if leaves >= TWO_LEVELS_FROM:
        groups = _groups(embeddings, leaves, rows_per_leaf, rng, train)
    order, centroids = [], []
    for group in progress(groups, "partition", quiet=items < 50 * BLOCK):
        sizes = np.full(-(-len(group) // rows_per_leaf), rows_per_leaf)
        sizes[-1] -= sizes.sum() - len(group)
        rows = np.asarray(embeddings[group], np.float32)
        first = train if train and len(groups) == 1 else _kmeans_with(rng)
        priced = _priced_centroids(rows, np.arange(len(group)), sizes, rng, first)
        leaf_of = _fill(_choices(rows, np.arange(len(group)), priced), rows, priced, sizes)
        leaf_of, means = _swapped(rows, leaf_of, sizes)
        order.append(group[np.argsort(leaf_of, kind="stable")])
        centroids.append(means)
    leaves_per_group = np.array([-(-len(group) // rows_per_leaf) for group in groups])
    return Partition(np.concatenate(order), rows_per_leaf, np.concatenate(centroids), leaves_per_group)


def leaf_shape(items: int, leaves: int) -> tuple[int, int]:
    """Number of leaves and rows per leaf, close to the given number and with few padding rows in the last leaf."""
    mean = items / leaves
    rows = np.arange(max(1, math.floor(mean)), math.ceil(1.1 * mean) + 1)
    counts = -(-items // rows)
    best = np.lexsort((np.abs(counts - leaves), counts * rows - items))[0]
    return int(counts[best]), int(rows[best])


def group_shape(leaves: int) -> tuple[int, int]:
    """Number of groups and capacity of a group in leaves.

    Groups have spare capacity. Without it, a cluster that does not fit would be scattered over distant groups, which no query for it
    searches. Small groups may have one leaf more than the mean, so that the table of leaves, which is padded to the largest group, stays
    small.
    """
    size = max(LEAVES_PER_GROUP, min(MOST_LEAVES_PER_GROUP, math.ceil(leaves / MANY_GROUPS)))
    return math.ceil(leaves / size), size + 1 if size == LEAVES_PER_GROUP else math.ceil(LARGE_GROUP_SLACK * size)


def _groups(
    embeddings: np.ndarray | TransformedEmbeddings,
    leaves: int,
    rows_per_leaf: int,
    rng: np.random.Generator,
    train: Trainer | None = None,
) -> list[np.ndarray]:
    """The items of each group; every group but the last fills whole leaves."""
    items = np.arange(len(embeddings), dtype=np.int32)
    count, capacity = group_shape(leaves)
    priced = _priced_centroids(embeddings, items, np.full(count, capacity * rows_per_leaf), rng, train or _kmeans_with(rng))
    choices = _choices(embeddings, items, priced)
    demand = np.bincount(choices.centroids[:, 0], minlength=count) / rows_per_leaf
    sizes = _whole_leaves(demand, capacity, leaves) * rows_per_leaf
    last = int(np.flatnonzero(sizes)[-1])
    sizes[last] -= leaves * rows_per_leaf - len(items)
    group_of = _fill(choices, embeddings, priced, sizes)
    ends = np.cumsum(sizes)[:-1]
    return [group.astype(np.int32) for group in np.split(np.argsort(group_of, kind="stable"), ends) if len(group)]


def _whole_leaves(demand: np.ndarray, capacity: int, leaves: int) -> np.ndarray:
    """`(groups,)` int64: leaves of each group, near its demand, within the capacity and `leaves` in total."""
    whole = np.minimum(np.floor(demand), capacity)
    left = leaves - int(whole.sum())
    while left > 0:  # each round gives one leaf to each of the groups that lack most
        below_capacity = np.flatnonzero(whole < capacity)
        growing = below_capacity[np.argsort(-(demand - whole)[below_capacity], kind="stable")][:left]
        whole[growing] += 1
        left -= len(growing)
    return whole.astype(np.int64)


@dataclass(frozen=True)
class _PricedCentroids:
    """Centroids `(c, d)` float32, and `(c,)` float32 prices at which hardly any is over capacity. A row chooses by score minus price."""

    centroids: np.ndarray
    prices: np.ndarray


@dataclass(frozen=True)
class _Choices:
    """The best centroids of each row, `(n, c)` int32, and their scores minus prices, `(n, c)` float32, descending."""

    centroids: np.ndarray
    values: np.ndarray


def _priced_centroids(
    embeddings: np.ndarray | TransformedEmbeddings,
    items: np.ndarray,
    capacity: np.ndarray,
    rng: np.random.Generator,
    train: Trainer,
) -> _PricedCentroids:
    """Learns centroids and prices from a sample of the items; `capacity` is `(c,)`, in rows of all items."""
    size = min(len(items), SAMPLE_PER_CENTROID * len(capacity), LARGEST_SAMPLE)
    chosen = np.sort(rng.choice(len(items), size, replace=False)) if size < len(items) else slice(None)
    sample = np.asarray(embeddings[items[chosen]], np.float32)
    centroids = train(sample, len(capacity))
    sample_capacity = capacity * (len(sample) / len(items))
    for _ in range(PRICING_ROUNDS):
        near = _near(sample, centroids)
        prices = _prices(near, sample_capacity)
        centroids = _means(sample, near.best(prices), centroids)
    return _PricedCentroids(centroids, _prices(_near(sample, centroids), sample_capacity))


def _scores(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """`(rows, centroids)`: larger is nearer."""
    scores: np.ndarray = rows @ centroids.T
    scores -= 0.5 * np.einsum("kd,kd->k", centroids, centroids)
    return scores


def _nearest(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """`(rows,)` int64: the nearest centroid of each row."""
    return np.concatenate([_scores(rows[start : start + BLOCK], centroids).argmax(1) for start in range(0, len(rows), BLOCK)])


def _kmeans_with(rng: np.random.Generator) -> Trainer:
    return lambda sample, count: _kmeans(sample, count, rng)


def _kmeans(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """K-means. Many centroids start at those of a k-means within each part of a coarse k-means, which is near where they end."""
    start = sample[rng.choice(len(sample), count, replace=len(sample) < count)].copy()
    if count < COARSE_FROM:
        return _lloyd(sample, start, LLOYD_ITERATIONS, rng)
    parts = math.isqrt(count)
    part_of = _nearest(sample, _lloyd(sample[rng.permutation(len(sample))[: len(sample) // 4]], start[:parts], LLOYD_ITERATIONS, rng))
    shares = _whole_leaves(np.bincount(part_of, minlength=parts) * (count / len(sample)), len(sample), count)
    filled = 0
    for part, share in enumerate(shares.tolist()):
        rows = sample[part_of == part]
        if share:
            within = rows[rng.choice(len(rows), share, replace=len(rows) < share)]
            start[filled : filled + share] = _lloyd(rows, within, LLOYD_ITERATIONS, rng)
        filled += share
    return _lloyd(sample, start, AFTER_COARSE, rng)


def _lloyd(sample: np.ndarray, centroids: np.ndarray, iterations: int, rng: np.random.Generator) -> np.ndarray:
    """Lloyd's iterations; a centroid without rows restarts at a random row."""
    count = len(centroids)
    for _ in range(iterations):
        nearest = _nearest(sample, centroids)
        centroids = _means(sample, nearest, centroids)
        empty = np.flatnonzero(np.bincount(nearest, minlength=count) == 0)
        centroids[empty] = sample[rng.choice(len(sample), len(empty))]
    return centroids


def _means(rows: np.ndarray, assigned: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The mean of the rows assigned to each centroid; a centroid without rows stays where it is."""
    counts = np.bincount(assigned, minlength=len(centroids))
    filled = counts > 0
    means = centroids.copy()
    starts = (np.cumsum(counts) - counts)[filled]
    means[filled] = np.add.reduceat(rows[np.argsort(assigned, kind="stable")], starts, axis=0) / counts[filled, None]
    return means


@dataclass(frozen=True)
class _Near:
    """The centroids that each row chooses from, `(n, c)` int32, and their scores, `(n, c)` float32."""

    centroids: np.ndarray
    scores: np.ndarray

    def best(self, prices: np.ndarray) -> np.ndarray:
        """`(n,)` int32: the centroid that each row chooses at these prices."""
        chosen = (self.scores - prices[self.centroids]).argmax(1)
        return np.take_along_axis(self.centroids, chosen[:, None], 1)[:, 0]


def _near(rows: np.ndarray, centroids: np.ndarray) -> _Near:
    """The nearest centroids of each row; all of them, if they are few."""
    count = min(len(centroids), NEAREST_CENTROIDS)
    if count == len(centroids):
        return _Near(np.broadcast_to(np.arange(count, dtype=np.int32), (len(rows), count)), _scores(rows, centroids))
    near = _Near(np.empty((len(rows), count), np.int32), np.empty((len(rows), count), np.float32))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        scores = _scores(rows[part], centroids)
        near.centroids[part] = np.argpartition(scores, len(centroids) - count, axis=1)[:, -count:]
        near.scores[part] = np.take_along_axis(scores, near.centroids[part], axis=1)
    return near


def _prices(near: _Near, capacity: np.ndarray) -> np.ndarray:
    """`(c,)` float32: prices at which about `capacity` rows at most choose each centroid."""
    rows, count = len(near.scores), len(capacity)
    spread = near.scores[:SPREAD_ROWS]
    step = np.float32(0.3 * (spread.max(1) - np.median(spread, axis=1)).std() + 1e-6)
    prices = np.zeros(count, np.float32)
    best, least = prices, np.inf
    for iteration in range(PRICE_STEPS):
        demand = np.bincount(near.best(prices), minlength=count)
        excess = np.maximum(demand - capacity, 0).sum()
        if excess < least:
            best, least = prices.copy(), excess
        if excess <= 0.01 * rows:
            break
        prices += step * np.clip(demand / np.maximum(capacity, 1e-9) - 1, -1, 1).astype(np.float32)
        if capacity.sum() > 1.1 * rows:  # there is spare capacity, so no centroid has to be full: no price below 0
            np.maximum(prices, 0, out=prices)
        if iteration % 10 == 9:
            step *= np.float32(0.7)
    return best


def _choices(embeddings: np.ndarray | TransformedEmbeddings, items: np.ndarray, priced: _PricedCentroids) -> _Choices:
    count = min(CHOICES, len(priced.centroids))
    choices = _Choices(np.empty((len(items), count), np.int32), np.empty((len(items), count), np.float32))
    for start in range(0, len(items), BLOCK):
        part = slice(start, start + BLOCK)
        near = _near(np.asarray(embeddings[items[part]], np.float32), priced.centroids)
        values = near.scores - priced.prices[near.centroids]
        best = np.argsort(-values, axis=1, kind="stable")[:, :count]
        choices.centroids[part], choices.values[part] = np.take_along_axis(near.centroids, best, 1), np.take_along_axis(values, best, 1)
    return choices


def _fill(choices: _Choices, embeddings: np.ndarray | TransformedEmbeddings, priced: _PricedCentroids, sizes: np.ndarray) -> np.ndarray:
    """Assigns rows to centroids so that each gets exactly its size.

    Where too many rows choose a centroid, those with the most to lose elsewhere stay; the others move on to their next choice.

    Returns:
        `(n,)` int32: the centroid of each row.
    """
    assigned = np.full(len(choices.centroids), -1, np.int32)
    capacity = sizes.copy()
    count = choices.centroids.shape[1]
    for rank in range(count):
        waiting = np.flatnonzero(assigned < 0)
        wanted = choices.centroids[waiting, rank]
        regret = choices.values[waiting, rank] - choices.values[waiting, min(rank + 1, count - 1)]
        ranked = np.lexsort((-regret, wanted))
        ordered = wanted[ranked]
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        accepted = ranked[place < capacity[ordered]]
        assigned[waiting[accepted]] = wanted[accepted]
        capacity -= np.bincount(wanted[accepted], minlength=len(capacity))
    for item in np.flatnonzero(assigned < 0):  # few: all of their choices were full
        free = np.flatnonzero(capacity)
        scores = _scores(np.asarray(embeddings[item : item + 1], np.float32), priced.centroids[free])[0]
        assigned[item] = free[(scores - priced.prices[free]).argmax()]
        capacity[assigned[item]] -= 1
    return assigned


def _swapped(rows: np.ndarray, leaf_of: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Swaps rows between leaves while both leaves together gain; recomputes the means between rounds.

    Args:
        rows: `(n, d)` float32.
        leaf_of: `(n,)` int32: the leaf of each row; changed in place.
        sizes: `(leaves,)`: rows of each leaf.

    Returns:
        The leaf of each row, and the means of the leaves, `(leaves, d)` float32.
    """
    centroids = np.zeros((len(sizes), rows.shape[1]), np.float32)
    for number in range(SWAP_ROUNDS):
        centroids = _means(rows, leaf_of, centroids)
        for leaves in _neighbourhoods(centroids, len(rows), number):
            if len(leaves) == len(sizes):
                _swap(_scores(rows, centroids), leaf_of, sizes)
                continue
            members = np.flatnonzero(np.isin(leaf_of, leaves))
            local = np.searchsorted(leaves, leaf_of[members]).astype(np.int32)
            _swap(_scores(rows[members], centroids[leaves]), local, sizes[leaves])
            leaf_of[members] = leaves[local]
    return leaf_of, _means(rows, leaf_of, centroids)


def _neighbourhoods(centroids: np.ndarray, rows: int, number: int) -> list[np.ndarray]:
    """Ascending leaves among which rows are swapped: all of them, or parts along the direction in which the centroids spread most.

    Scores of all rows in all leaves would take 12 GB for a million rows in 1,000 leaves; a part has at most MOST_SCORES of them. In every
    other round the parts begin half a part later, so that leaves on both sides of a border exchange rows, too.
    """
    count = len(centroids)
    size = max(2, int((MOST_SCORES * count / rows) ** 0.5))
    if size >= count:
        return [np.arange(count)]
    centred = centroids - centroids.mean(0)
    along = np.argsort(centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1], kind="stable")
    parts = np.split(along, range(size // 2 if number % 2 else size, count, size))
    return [np.sort(part) for part in parts if len(part) > 1]


def _swap(scores: np.ndarray, leaf_of: np.ndarray, sizes: np.ndarray) -> None:
    """Swaps the two rows of two leaves that gain most together, until no two leaves gain; changes `leaf_of`."""
    leaves, largest = len(sizes), int(sizes.max())
    members = np.full((leaves, largest), -1, np.int64)
    place = np.arange(len(leaf_of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    by_leaf = np.argsort(leaf_of, kind="stable")
    members[leaf_of[by_leaf], place] = by_leaf
    gains = scores[members] - scores[members, np.arange(leaves)[:, None]][:, :, None]  # of moving a row to each leaf
    gains[members < 0] = -np.inf
    best = gains.max(1)  # of moving one row from the first leaf to the second
    for _ in range(SWAPS):
        together = best + best.T
        np.fill_diagonal(together, 0)
        partner = together.argmax(1)
        # Only pairs that choose each other swap, so that no leaf takes part in two swaps at once.
        mutual = (partner[partner] == np.arange(leaves)) & (np.arange(leaves) < partner)
        first = np.flatnonzero(mutual & (together[np.arange(leaves), partner] > SMALLEST_GAIN))
        if not len(first):
            return
        second = partner[first]
        i, j = gains[first, :, second].argmax(1), gains[second, :, first].argmax(1)
        leaving, entering = members[first, i], members[second, j]
        members[first, i], members[second, j] = entering, leaving
        leaf_of[leaving], leaf_of[entering] = second, first
        gains[first, i] = scores[entering] - scores[entering, first][:, None]
        gains[second, j] = scores[leaving] - scores[leaving, second][:, None]
        changed = np.concatenate([first, second])
        best[changed] = gains[changed].max(1)
