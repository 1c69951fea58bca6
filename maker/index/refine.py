"""Improves leaves of equal size by moving rows between the leaves of all groups.

A small group holds few whole leaves, so that the last rows of a cluster lie in leaves of other groups, which few queries for them scan.
Here rows choose among the leaves nearby of any group, and centroids follow their rows, a few rounds. Then the leaves are grouped anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from maker.index.assignment import Near, fill, prices_of, taken_best
from maker.index.clustering import BLOCK, scores_of
from maker.index.metric import Rows, mapped, unmapped

ROUNDS, GROUP_ROUNDS = 4, 6
PRICE_STEPS, GROUP_PRICE_STEPS = 30, 60
GAIN, SHRINK, ENOUGH = 6, 0.5, 0.002  # all rows take part, so that leaves that are a little too large can be told from noise
SCORED_LEAVES, CHOICES = 384, 8  # leaves nearby that are scored for a row, and those that it chooses from


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


@dataclass(frozen=True)
class Start:
    """Leaves to begin with, of any size.

    Attributes:
        group_of: `(n,)` int: the group of each row.
        leaves: `(groups,)` int: number of consecutive leaves in each group.
        centroids: `(leaves.sum(), d)` float32: those of the leaves.
    """

    group_of: np.ndarray
    leaves: np.ndarray
    centroids: np.ndarray


def refined(embeddings: Rows, start: Start, rows_per_leaf: int, capacity: int) -> Partition:
    """Leaves of equal size, in which rows are near to their means. No group has more than `capacity` leaves."""
    items, leaves = len(embeddings), len(start.centroids)
    sizes = np.full(leaves, rows_per_leaf)
    sizes[-1] -= sizes.sum() - items
    row_groups, group_of_leaf = start.group_of, np.repeat(np.arange(len(start.leaves)), start.leaves)
    firsts = np.cumsum(start.leaves) - start.leaves
    group_means = (np.add.reduceat(start.centroids, firsts, axis=0) / start.leaves[:, None]).astype(np.float32)
    nearby = _leaves_nearby(group_means, start.leaves)
    centroids, prices = start.centroids, np.zeros(leaves, np.float32)
    for _ in range(ROUNDS):
        near = _nearby(embeddings, row_groups, nearby, centroids)
        prices = prices_of(near, sizes, PRICE_STEPS, prices, GAIN, SHRINK, ENOUGH)
        leaf_of = _placed(near, embeddings, centroids, prices, sizes)
        centroids = _means(embeddings, leaf_of, centroids)
        row_groups = group_of_leaf[leaf_of]
    groups = _groups(centroids, group_means, capacity)
    groups[groups == groups[-1]] = groups.max() + 1  # the leaf that may have fewer rows comes last
    by_group = np.argsort(groups, kind="stable")
    place = np.empty(leaves, np.int32)
    place[by_group] = np.arange(leaves)
    order, counts = np.argsort(place[leaf_of], kind="stable").astype(np.int32), np.bincount(groups)
    return Partition(order, rows_per_leaf, centroids[by_group], counts[counts > 0])


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


def _nearby(embeddings: Rows, part_of: np.ndarray, nearby: list[np.ndarray], centroids: np.ndarray) -> Near:
    """The leaves that each row chooses from, by the part that it is in."""
    count = min(CHOICES, min(map(len, nearby)))
    near = Near(np.empty((len(part_of), count), np.int32), np.empty((len(part_of), count), np.float32))
    for rows, leaves in zip(_members(part_of, len(nearby)), nearby, strict=True):
        of_part = _near(embeddings, rows, leaves, centroids, count)
        near.centroids[rows], near.scores[rows] = of_part.centroids, of_part.scores
    return near


def _near(embeddings: Rows, rows: np.ndarray, leaves: np.ndarray, centroids: np.ndarray, count: int = CHOICES) -> Near:
    """The best `count` of some leaves for some rows, best first; fewer, if there are not as many."""
    count = min(count, len(leaves))
    near = Near(np.empty((len(rows), count), np.int32), np.empty((len(rows), count), np.float32))
    at_a_time = min(BLOCK, max(1, BLOCK * SCORED_LEAVES // len(leaves)))
    for begin in range(0, len(rows), at_a_time):
        part = slice(begin, begin + at_a_time)
        scores = scores_of(np.asarray(embeddings[rows[part]], np.float32), centroids[leaves])
        best, near.scores[part] = taken_best(scores, count)
        near.centroids[part] = leaves[best]
    return near


def _placed(near: Near, embeddings: Rows, centroids: np.ndarray, prices: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`(n,)` int32: the leaf of each row, so that no leaf has more rows than its size."""
    near.sort(prices)
    leaf_of = fill(near, sizes)
    waiting = np.flatnonzero(leaf_of < 0)
    while len(waiting):  # few: all of their choices were full
        free = sizes - np.bincount(leaf_of[leaf_of >= 0], minlength=len(sizes))
        leaves = np.flatnonzero(free)
        near = _near(embeddings, waiting, leaves, centroids)
        near.sort(prices)
        found = fill(near, free)
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
    means, source = centroids.copy(), unmapped(embeddings)  # the mean of mapped rows is their mapped mean
    for leaves in _runs(counts):
        filled = leaves[counts[leaves] > 0]
        rows = order[ends[leaves[0]] - counts[leaves[0]] : ends[leaves[-1]]]
        if len(rows):
            starts = (ends - counts)[filled] - (ends - counts)[leaves[0]]
            sums = np.add.reduceat(np.asarray(source[rows], np.float32), starts, axis=0)
            means[filled] = mapped(sums / counts[filled, None].astype(np.float32), embeddings)
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
        prices = prices_of(near, sizes, GROUP_PRICE_STEPS, None, GAIN, SHRINK, ENOUGH)
        group_of = _placed(near, leaves, centroids, prices, sizes)
        centroids = _means(leaves, group_of, centroids)
    return group_of
