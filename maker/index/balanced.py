"""Partitions embeddings into leaves of equal size, so that each leaf is one block of rows in the file.

A graph has static shapes. With leaves of different sizes, the graph would first have to look up which blocks belong to the selected leaves,
and these lookups cost more than scoring the rows. With leaves of equal size, the number of a leaf is the number of its block.

Many leaves are made in two levels: first groups of leaves, which may differ in size, then leaves within each group. Rows choose groups and
leaves at prices that keep them within their sizes (`maker.index.assignment`). The last rows of a cluster are then scattered over leaves
that no query for them scans. Therefore leaves swap rows while that brings both rows closer to their centroids. Small groups have few leaves
to swap with: there, leaves only start within groups (`maker.index.small_groups`), and rows move between the leaves of all groups
(`maker.index.refine`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from maker.index.assignment import Near, fill, prices_of, taken_best
from maker.index.clustering import BLOCK, Trainer, apportioned, kmeans_with, means_of, scores_of
from maker.index.metric import Rows
from maker.index.refine import Partition, Start, refined
from maker.index.small_groups import centroids_within
from maker.progress import progress

TWO_LEVELS_FROM = 1024  # leaves
MANY_LEAVES = 256  # from this number on, a few more or less do not matter
LEAVES_PER_GROUP = 5  # a query scores all groups, then the leaves of some: small groups are selected more precisely than large ones
MANY_GROUPS, MOST_LEAVES_PER_GROUP = 1000, 64  # beyond MANY_GROUPS, groups grow up to that size
LARGE_GROUP_SLACK = 1.25  # capacity of a large group, relative to its mean size
SAMPLE_PER_CENTROID, LARGEST_SAMPLE = 160, 100_000  # rows that prices of fewer leave over are scattered over distant leaves
PRICING_ROUNDS, PRICE_STEPS = 1, 30
NEAREST_CENTROIDS = 32  # that a row chooses from
CHOICES = 8  # centroids that `_fill` offers each row
MOST_REFINED = 8  # leaves of a group on average; larger groups leave few rows in a wrong one
SWAP_ROUNDS, SWAPS, SMALLEST_GAIN = 3, 200, 1e-6
MOST_SCORES = 1 << 25  # of rows in leaves that are held at a time while rows are swapped
SCORED_ROWS = 2048  # whose scores of all groups stay in the cache


def partition(embeddings: Rows, leaves: int, seed: int, train: Trainer | None = None) -> Partition:
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
        groups = _groups(embeddings, leaves, rows_per_leaf, rng, train or kmeans_with(rng))
    if len(groups) > 1 and leaves <= MOST_REFINED * len(groups):
        return _of_small_groups(embeddings, groups, rows_per_leaf, group_shape(leaves)[1], rng)
    order, centroids = [], []
    for group in progress(groups, "partition", quiet=items < 50 * BLOCK):
        sizes = np.full(-(-len(group) // rows_per_leaf), rows_per_leaf)
        sizes[-1] -= sizes.sum() - len(group)
        rows = np.asarray(embeddings[group], np.float32)
        first = train if train and len(groups) == 1 else kmeans_with(rng)
        priced = _priced_centroids(rows, np.arange(len(group)), sizes, rng, first)
        leaf_of, means = _swapped(rows, _fill(_choices(rows, np.arange(len(group)), priced), rows, priced, sizes), sizes)
        order.append(group[np.argsort(leaf_of, kind="stable")])
        centroids.append(means)
    leaves_per_group = np.array([-(-len(group) // rows_per_leaf) for group in groups])
    return Partition(np.concatenate(order), rows_per_leaf, np.concatenate(centroids), leaves_per_group)


def leaf_shape(items: int, leaves: int) -> tuple[int, int]:
    """Number of leaves and rows per leaf, close to the given number and with few padding rows in the last leaf.

    One leaf more or less than asked for weighs as much as a whole leaf of padding. Where there are many, padding alone counts:
    larger leaves without any find the same in fewer rows.
    """
    mean = items / leaves
    rows = np.arange(max(1, math.floor(mean)), math.ceil(1.1 * mean) + 1)
    counts = -(-items // rows)
    padding, differing = counts * rows - items, np.abs(counts - leaves)
    best = np.lexsort((differing, padding))[0] if leaves >= MANY_LEAVES else np.argmin(rows * differing + padding)
    return int(counts[best]), int(rows[best])


def group_shape(leaves: int) -> tuple[int, int]:
    """Number of groups and capacity of a group in leaves.

    Groups have spare capacity. Without it, a cluster that does not fit would be scattered over distant groups, which no query for it
    searches. Small groups may have one leaf more than the mean, so that the table of leaves, which is padded to the largest group, stays
    small.
    """
    size = max(LEAVES_PER_GROUP, min(MOST_LEAVES_PER_GROUP, math.ceil(leaves / MANY_GROUPS)))
    return math.ceil(leaves / size), size + 1 if size == LEAVES_PER_GROUP else math.ceil(LARGE_GROUP_SLACK * size)


def _of_small_groups(embeddings: Rows, groups: list[np.ndarray], rows_per_leaf: int, capacity: int, rng: np.random.Generator) -> Partition:
    """Leaves that start within small groups, and are made equal among those of all groups."""
    leaves = np.array([-(-len(group) // rows_per_leaf) for group in groups])
    group_of = np.empty(len(embeddings), np.int32)
    group_of[np.concatenate(groups)] = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return refined(embeddings, Start(group_of, leaves, centroids_within(embeddings, groups, leaves, rng)), rows_per_leaf, capacity)


def _groups(embeddings: Rows, leaves: int, rows_per_leaf: int, rng: np.random.Generator, train: Trainer) -> list[np.ndarray]:
    """The items of each group; every group but the last fills whole leaves."""
    items = np.arange(len(embeddings), dtype=np.int32)
    count, capacity = group_shape(leaves)
    priced = _priced_centroids(embeddings, items, np.full(count, capacity * rows_per_leaf), rng, train)
    choices = _choices(embeddings, items, priced)
    demand = np.bincount(choices.centroids[:, 0], minlength=count) / rows_per_leaf
    sizes = apportioned(demand, capacity, leaves) * rows_per_leaf
    last = int(np.flatnonzero(sizes)[-1])
    sizes[last] -= leaves * rows_per_leaf - len(items)
    group_of = _fill(choices, embeddings, priced, sizes)
    ends = np.cumsum(sizes)[:-1]
    return [group.astype(np.int32) for group in np.split(np.argsort(group_of, kind="stable"), ends) if len(group)]


@dataclass(frozen=True)
class _PricedCentroids:
    """Centroids `(c, d)` float32, and `(c,)` float32 prices at which hardly any is over capacity. A row chooses by score minus price."""

    centroids: np.ndarray
    prices: np.ndarray


def _priced_centroids(
    embeddings: Rows,
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
        prices = prices_of(near, sample_capacity, PRICE_STEPS)
        centroids = means_of(sample, near.best(prices), centroids)
    return _PricedCentroids(centroids, prices_of(_near(sample, centroids), sample_capacity, PRICE_STEPS))


def _near(rows: np.ndarray, centroids: np.ndarray) -> Near:
    """The nearest centroids of each row; all of them, if they are few."""
    count = min(len(centroids), NEAREST_CENTROIDS)
    if count == len(centroids):
        return Near(np.tile(np.arange(count, dtype=np.int32), (len(rows), 1)), scores_of(rows, centroids))
    near = Near(np.empty((len(rows), count), np.int32), np.empty((len(rows), count), np.float32))
    for start in range(0, len(rows), SCORED_ROWS):
        part = slice(start, start + SCORED_ROWS)
        near.centroids[part], near.scores[part] = taken_best(scores_of(rows[part], centroids), count)
    return near


def _choices(embeddings: Rows, items: np.ndarray, priced: _PricedCentroids) -> Near:
    """The best centroids of each row, best first, and their scores minus prices."""
    count = min(CHOICES, len(priced.centroids))
    choices = Near(np.empty((len(items), count), np.int32), np.empty((len(items), count), np.float32))
    for start in range(0, len(items), BLOCK):
        part = slice(start, start + BLOCK)
        near = _near(np.asarray(embeddings[items[part]], np.float32), priced.centroids)
        near.sort(priced.prices)
        choices.centroids[part], choices.scores[part] = near.centroids[:, :count], near.scores[:, :count]
    return choices


def _fill(choices: Near, embeddings: Rows, priced: _PricedCentroids, sizes: np.ndarray) -> np.ndarray:
    """`(n,)` int32: the centroid of each row, so that each gets exactly its size."""
    assigned = fill(choices, sizes)
    free = sizes - np.bincount(assigned[assigned >= 0], minlength=len(sizes))
    for item in np.flatnonzero(assigned < 0):  # few: all of their choices were full
        left = np.flatnonzero(free)
        scores = scores_of(np.asarray(embeddings[item : item + 1], np.float32), priced.centroids[left])[0]
        assigned[item] = left[(scores - priced.prices[left]).argmax()]
        free[assigned[item]] -= 1
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
        centroids = means_of(rows, leaf_of, centroids)
        for leaves in _neighbourhoods(centroids, len(rows), number):
            if len(leaves) == len(sizes):
                _swap(scores_of(rows, centroids), leaf_of, sizes)
                continue
            members = np.flatnonzero(np.isin(leaf_of, leaves))
            local = np.searchsorted(leaves, leaf_of[members]).astype(np.int32)
            _swap(scores_of(rows[members], centroids[leaves]), local, sizes[leaves])
            leaf_of[members] = leaves[local]
    return leaf_of, means_of(rows, leaf_of, centroids)


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
