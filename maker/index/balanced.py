"""Partitions embeddings into leaves of equal size, so that each leaf is one block of rows in the file.

A graph has static shapes. With leaves of different sizes, the graph would first have to look up which blocks belong to the selected leaves,
and these lookups cost more than scoring the rows. With leaves of equal size, the number of a leaf is the number of its block.

Rows choose leaves at prices that keep every leaf within its size (`maker.index.assignment`). Many leaves are made within groups first. A
cluster that fills no whole number of leaves then has its last rows in leaves of another group, which no query for them scans. So rows
choose again, among the leaves nearby of any group, and centroids follow their rows, a few rounds. At last the leaves are grouped anew. A
query scores groups, then the leaves of some.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.index.assignment import Near, fill, prices_of
from maker.index.clustering import BLOCK, Trainer, apportioned, kmeans, kmeans_with, scores_of
from maker.index.metric import TransformedEmbeddings
from maker.progress import progress

TWO_LEVELS_FROM = 1024  # leaves
LEAVES_PER_GROUP = 5  # a query scores all groups, then the leaves of some: small groups are selected more precisely than large ones
MANY_GROUPS, MOST_LEAVES_PER_GROUP = 1000, 64  # beyond MANY_GROUPS, groups grow up to that size
LARGE_GROUP_SLACK = 1.25  # capacity of a large group, relative to its mean size
SAMPLE_PER_CENTROID, LARGEST_SAMPLE = 160, 100_000
ROUNDS, GROUP_ROUNDS = 3, 6
SCORED_LEAVES, CHOICES = 384, 16  # leaves nearby that are scored for a row, and those that it chooses from
START_PRICE_STEPS, FIRST_PRICE_STEPS, PRICE_STEPS, GROUP_PRICE_STEPS = 30, 60, 30, 60

Rows = np.ndarray | TransformedEmbeddings


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


def partition(embeddings: Rows, leaves: int, seed: int, train: Trainer | None = None) -> Partition:
    """Partitions embeddings by squared L2 distance.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped or transformed.
        leaves: Approximate number of leaves.
        seed: Seeds the samples and the initial centroids.
        train: Trains the first centroids of groups, or of leaves if there are no groups; None for k-means.
    """
    items = len(embeddings)
    leaves, rows_per_leaf = leaf_shape(items, leaves)
    rng = np.random.default_rng(seed)
    sizes = np.full(leaves, rows_per_leaf)
    sizes[-1] -= sizes.sum() - items
    start = _start(embeddings, sizes, rng, train or kmeans_with(rng))
    leaf_of, centroids = _refined(embeddings, start, sizes)
    groups = start.group_of
    if len(start.groups) > 1:
        groups = _groups(centroids, start.groups, group_shape(leaves)[1])
    groups[groups == groups[-1]] = groups.max() + 1  # the leaf that may have fewer rows comes last
    by_group = np.argsort(groups, kind="stable")
    place = np.empty(leaves, np.int32)
    place[by_group] = np.arange(leaves)
    order = np.argsort(place[leaf_of], kind="stable").astype(np.int32)
    counts = np.bincount(groups)
    return Partition(order, rows_per_leaf, centroids[by_group], counts[counts > 0])


def leaf_shape(items: int, leaves: int) -> tuple[int, int]:
    """Number of leaves and rows per leaf, close to the given number and with few padding rows in the last leaf.

    One leaf more or less than asked for weighs as much as a whole leaf of padding.
    """
    mean = items / leaves
    rows = np.arange(max(1, math.floor(mean)), math.ceil(1.1 * mean) + 1)
    counts = -(-items // rows)
    best = np.argmin(rows * np.abs(counts - leaves) + counts * rows - items)
    return int(counts[best]), int(rows[best])


def group_shape(leaves: int) -> tuple[int, int]:
    """Number of groups and capacity of a group in leaves.

    Groups have spare capacity. Without it, a cluster that does not fit would be scattered over distant groups, which no query for it
    searches. Small groups may have one leaf more than the mean, so that the table of leaves, which is padded to the largest group, stays
    small.
    """
    size = max(LEAVES_PER_GROUP, min(MOST_LEAVES_PER_GROUP, math.ceil(leaves / MANY_GROUPS)))
    return math.ceil(leaves / size), size + 1 if size == LEAVES_PER_GROUP else math.ceil(LARGE_GROUP_SLACK * size)


@dataclass(frozen=True)
class _Start:
    """The first leaves, in groups of which those nearby are known.

    Attributes:
        leaf_of: `(n,)` int32: the leaf of each row; leaves have their sizes already.
        centroids: `(leaves, d)` float32: the mean of each leaf.
        group_of: `(leaves,)` int32: the group of each leaf.
        groups: `(groups, d)` float32: the centroid of each group.
        nearby: For each group, the leaves that its rows choose from, ascending.
    """

    leaf_of: np.ndarray
    centroids: np.ndarray
    group_of: np.ndarray
    groups: np.ndarray
    nearby: list[np.ndarray]


def _start(embeddings: Rows, sizes: np.ndarray, rng: np.random.Generator, train: Trainer) -> _Start:
    """Leaves that are made equal within each group."""
    items, leaves = len(embeddings), len(sizes)
    count, capacity = group_shape(leaves) if leaves >= TWO_LEVELS_FROM else (1, leaves)
    centroids = _trained(embeddings, count, rng, train) if count > 1 else np.zeros((1, embeddings[:1].shape[1]), np.float32)
    every_row, every_group = np.arange(items), np.arange(count)
    near = _near(embeddings, every_row, every_group, centroids)
    prices = prices_of(near, np.full(count, capacity * sizes[0]), START_PRICE_STEPS, np.zeros(count, np.float32))
    shares = apportioned(near.demand(prices) / sizes[0], capacity, leaves)
    group_of = np.repeat(every_group, shares).astype(np.int32)
    rows_of = _members(_placed(near, embeddings, centroids, prices, np.bincount(group_of, sizes, count).astype(np.int64)), count)
    leaf_of, means, first = np.empty(items, np.int32), np.empty((leaves, centroids.shape[1]), np.float32), 0
    for rows, share in zip(rows_of, shares.tolist(), strict=True):
        own = slice(first, first + share)
        values = np.asarray(embeddings[rows], np.float32)
        if share:
            seeds = kmeans(values, share, rng) if count > 1 else _trained(values, leaves, rng, train)
            local = _equal(values, seeds, sizes[own])
            leaf_of[rows], means[own] = first + local, _means(values, local, seeds)
        first += share
    return _Start(leaf_of, means, group_of, centroids, _leaves_nearby(centroids, shares))


def _trained(embeddings: Rows, count: int, rng: np.random.Generator, train: Trainer) -> np.ndarray:
    """Centroids of a sample, `(count, d)` float32."""
    items = len(embeddings)
    size = min(items, SAMPLE_PER_CENTROID * count, LARGEST_SAMPLE)
    chosen = np.sort(rng.choice(items, size, replace=False)) if size < items else slice(None)
    return train(np.asarray(embeddings[chosen], np.float32), count)


def _equal(rows: np.ndarray, centroids: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`(n,)` int32: the leaf of each row of a group, so that each leaf has its size."""
    near = _near(rows, np.arange(len(rows)), np.arange(len(sizes)), centroids)
    prices = prices_of(near, sizes, START_PRICE_STEPS, np.zeros(len(sizes), np.float32))
    return _placed(near, rows, centroids, prices, sizes)


def _leaves_nearby(groups: np.ndarray, shares: np.ndarray) -> list[np.ndarray]:
    """For each group, the leaves of the groups nearby, some SCORED_LEAVES; `shares` says how many leaves each group has."""
    near = min(len(groups), math.ceil(SCORED_LEAVES * len(groups) / shares.sum()))
    distances = -scores_of(groups, groups)
    starts = np.cumsum(shares) - shares
    nearest = np.sort(np.argpartition(distances, near - 1, axis=1)[:, :near], axis=1)
    return [np.concatenate([np.arange(starts[g], starts[g] + shares[g]) for g in row]) for row in nearest]


def _members(group_of: np.ndarray, groups: int) -> list[np.ndarray]:
    """The rows of each group, ascending."""
    return np.split(np.argsort(group_of, kind="stable").astype(np.int32), np.cumsum(np.bincount(group_of, minlength=groups))[:-1])


def _refined(embeddings: Rows, start: _Start, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The leaf of each row, `(n,)` int32, so that each leaf has its size, and the means of the leaves, `(leaves, d)` float32."""
    leaf_of, centroids, prices = start.leaf_of, start.centroids, np.zeros(len(sizes), np.float32)
    for number in progress(range(ROUNDS), "partition", quiet=len(embeddings) < 50 * BLOCK):
        near = _nearby(embeddings, start.group_of[leaf_of], start.nearby, centroids)
        prices = prices_of(near, sizes, PRICE_STEPS if number else FIRST_PRICE_STEPS, prices)
        leaf_of = _placed(near, embeddings, centroids, prices, sizes)
        centroids = _means(embeddings, leaf_of, centroids)
    return leaf_of, centroids


def _nearby(embeddings: Rows, part_of: np.ndarray, nearby: list[np.ndarray], centroids: np.ndarray) -> Near:
    """The leaves that each row chooses from, by the part that it is in."""
    count = min(CHOICES, min(map(len, nearby)))
    near = Near(np.empty((len(part_of), count), np.int32), np.empty((len(part_of), count), np.float32))
    for rows, leaves in zip(_members(part_of, len(nearby)), nearby, strict=True):
        of_part = _near(embeddings, rows, leaves, centroids, count)
        near.centroids[rows], near.scores[rows] = of_part.centroids, of_part.scores
    return near


def _near(embeddings: Rows, rows: np.ndarray, leaves: np.ndarray, centroids: np.ndarray, count: int = CHOICES) -> Near:
    """The best `count` of some leaves for some rows, in no order; fewer, if there are not as many."""
    count = min(count, len(leaves))
    near = Near(np.empty((len(rows), count), np.int32), np.empty((len(rows), count), np.float32))
    at_a_time = min(BLOCK, max(1, BLOCK * SCORED_LEAVES // len(leaves)))
    for begin in range(0, len(rows), at_a_time):
        part = slice(begin, begin + at_a_time)
        scores = scores_of(np.asarray(embeddings[rows[part]], np.float32), centroids[leaves])
        best = np.argpartition(scores, len(leaves) - count, axis=1)[:, -count:]
        near.centroids[part], near.scores[part] = leaves[best], np.take_along_axis(scores, best, 1)
    return near


def _placed(near: Near, embeddings: Rows, centroids: np.ndarray, prices: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`(n,)` int32: the leaf of each row, so that no leaf has more rows than its size."""
    leaf_of = fill(near, prices, sizes)
    waiting = np.flatnonzero(leaf_of < 0)
    while len(waiting):  # few: all of their choices were full
        free = sizes - np.bincount(leaf_of[leaf_of >= 0], minlength=len(sizes))
        leaves = np.flatnonzero(free)
        found = fill(_near(embeddings, waiting, leaves, centroids), prices, free)
        if (found < 0).sum() > len(found) / 2:  # rows that are all alike choose the same leaves: any other will do
            left = np.repeat(leaves, free[leaves] - np.bincount(found[found >= 0], minlength=len(sizes))[leaves])
            found[found < 0] = left[: (found < 0).sum()]
        leaf_of[waiting] = found
        waiting = waiting[found < 0]
    return leaf_of


def _means(embeddings: Rows, leaf_of: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The mean of the rows of each leaf; a leaf without rows stays where it is."""
    counts = np.bincount(leaf_of, minlength=len(centroids))
    order, ends = np.argsort(leaf_of, kind="stable"), np.cumsum(counts)
    means = centroids.copy()
    for leaves in _runs(counts):
        filled = leaves[counts[leaves] > 0]
        rows = order[ends[leaves[0]] - counts[leaves[0]] : ends[leaves[-1]]]
        if len(rows):
            starts = (ends - counts)[filled] - (ends - counts)[leaves[0]]
            means[filled] = np.add.reduceat(np.asarray(embeddings[rows], np.float32), starts, axis=0) / counts[filled, None]
    return means


def _runs(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive leaves that have about BLOCK rows together."""
    blocks = (np.cumsum(counts) - counts) // BLOCK
    yield from np.split(np.arange(len(counts)), np.flatnonzero(np.diff(blocks)) + 1)


def _groups(leaves: np.ndarray, centroids: np.ndarray, capacity: int) -> np.ndarray:
    """`(leaves,)` int32: the group of each leaf, by their centroids. No group has more leaves than its capacity."""
    count = len(centroids)
    sizes = np.full(count, capacity)
    group_of, every_leaf, every_group = np.zeros(0, np.int32), np.arange(len(leaves)), np.arange(count)
    for _ in range(GROUP_ROUNDS):
        near = _near(leaves, every_leaf, every_group, centroids)
        prices = prices_of(near, sizes, GROUP_PRICE_STEPS, np.zeros(count, np.float32))
        group_of = _placed(near, leaves, centroids, prices, sizes)
        centroids = _means(leaves, group_of, centroids)
    return group_of
