"""Cuts embeddings into leaves of one size, so that a leaf is one block of rows in the file.

A graph has static shapes. With leaves of many sizes it has to look up which blocks belong to the leaves it picked, and those look-ups cost
more than the rows that are scored. Leaves of one size need none: the number of a leaf is the number of its block.

Many leaves are cut in two levels, groups of leaves first, which may differ in size. Sizes are kept by a price a centre: a centre that
too many want becomes dearer until the demand fits (the auction view of the assignment problem; Bertsekas, Annals of Operations Research 14,
1988). Rows that are left over go to the best centre with room, and rows are then swapped between leaves while that brings both nearer:
without it the last rows of a cluster lie scattered over leaves that no query for them picks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from maker.index.metric import Stretched
from maker.progress import progress

TWO_LEVELS_FROM = 1024  # leaves
LEAVES_PER_GROUP = 5  # all groups are scored, and then the leaves of some: small groups are picked more precisely than large ones
MANY_GROUPS, MOST_LEAVES_PER_GROUP = 1000, 64  # groups grow from so many on, up to that size
ROOM = 1.25  # of large groups
BLOCK = 8192  # embeddings per matrix product
SAMPLE_PER_CENTRE, LARGEST_SAMPLE = 160, 100_000
LLOYD_ITERATIONS, ROUNDS, PRICE_STEPS = 8, 2, 30
NEAR, SPREAD_ROWS = 32, 4096  # centres that a row chooses among; rows that tell how far scores spread
CHOICES = 8  # centres that a row left over is offered
SWAP_ROUNDS, SWAPS, SMALLEST_GAIN = 3, 200, 1e-6


@dataclass(frozen=True)
class Partition:
    """Leaves of `rows` rows each; only the last one may have fewer.

    Attributes:
        order: `(n,)` int32: the item in each row, leaf by leaf.
        rows: Rows a leaf.
        centroids: `(leaves, d)` float32: the mean of each.
        groups: `(groups,)` int: how many leaves follow each other in each group; one group where there is only one level.
    """

    order: np.ndarray
    rows: int
    centroids: np.ndarray
    groups: np.ndarray


def partition(embeddings: np.ndarray | Stretched, leaves: int, seed: int) -> Partition:
    """Partitions embeddings by squared L2 distance.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped, or stretched.
        leaves: About how many leaves.
        seed: Of samples and initial centres.
    """
    items = len(embeddings)
    leaves, rows = leaf_shape(items, leaves)
    rng = np.random.default_rng(seed)
    parts = [np.arange(items, dtype=np.int32)]
    if leaves >= TWO_LEVELS_FROM:
        parts = _groups(embeddings, leaves, rows, rng)
    order, centroids = [], []
    for part in progress(parts, "partition", quiet=items < 50 * BLOCK):
        sizes = np.full(-(-len(part) // rows), rows)
        sizes[-1] -= sizes.sum() - len(part)
        members = np.asarray(embeddings[part], np.float32)
        market = _centres(members, np.arange(len(part)), sizes, rng)
        owner, means = _refined(members, _fill(_choices(members, np.arange(len(part)), market), members, market, sizes), sizes)
        order.append(part[np.argsort(owner, kind="stable")])
        centroids.append(means)
    return Partition(np.concatenate(order), rows, np.concatenate(centroids), np.array([-(-len(part) // rows) for part in parts]))


def leaf_shape(items: int, leaves: int) -> tuple[int, int]:
    """Leaves and rows a leaf, for about that many leaves and with few rows of padding in the last one."""
    near = items / leaves
    rows = np.arange(max(1, math.floor(near)), math.ceil(1.1 * near) + 1)
    counts = -(-items // rows)
    best = np.lexsort((np.abs(counts - leaves), counts * rows - items))[0]
    return int(counts[best]), int(rows[best])


def group_shape(leaves: int) -> tuple[int, int]:
    """Groups, and how many leaves one has at most.

    Small groups are all full: what a table of them costs is little, and clusters are larger than they. Large ones get more room than
    they fill. Without, a cluster that does not fit is scattered over groups far from it, where no query looks.
    """
    size = max(LEAVES_PER_GROUP, min(MOST_LEAVES_PER_GROUP, math.ceil(leaves / MANY_GROUPS)))
    return math.ceil(leaves / size), size if size == LEAVES_PER_GROUP else math.ceil(ROOM * size)


def _groups(embeddings: np.ndarray | Stretched, leaves: int, rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Groups of whole leaves."""
    items = np.arange(len(embeddings), dtype=np.int32)
    count, most = group_shape(leaves)
    market = _centres(embeddings, items, np.full(count, most * rows), rng)
    choices = _choices(embeddings, items, market)
    wanted = np.bincount(choices.centres[:, 0], minlength=count) / rows
    whole = np.minimum(np.floor(wanted), most)
    left = leaves - int(whole.sum())
    while left > 0:  # to those that miss most, one each in a round
        open_ = np.flatnonzero(whole < most)
        more = open_[np.argsort(-(wanted - whole)[open_], kind="stable")][:left]
        whole[more] += 1
        left -= len(more)
    sizes = whole.astype(np.int64) * rows
    last = int(np.flatnonzero(sizes)[-1])
    sizes[last] -= leaves * rows - len(items)
    owner = _fill(choices, embeddings, market, sizes)
    ends = np.cumsum(sizes)[:-1]
    return [part.astype(np.int32) for part in np.split(np.argsort(owner, kind="stable"), ends) if len(part)]


@dataclass(frozen=True)
class _Choices:
    """The centres that rows like best: `(n, c)` int32, and how much, less their prices, `(n, c)` float32, descending."""

    centres: np.ndarray
    values: np.ndarray


def _centres(
    embeddings: np.ndarray | Stretched, items: np.ndarray, room: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Centres, and prices at which none is wanted by many more rows than it has room for."""
    fit = min(len(items), SAMPLE_PER_CENTRE * len(room), LARGEST_SAMPLE)
    chosen = np.sort(rng.choice(len(items), fit, replace=False)) if fit < len(items) else slice(None)
    sample = np.asarray(embeddings[items[chosen]], np.float32)
    centres = _lloyd(sample, len(room), rng)
    share = room * (len(sample) / len(items))
    for _ in range(ROUNDS):
        scores = _scores(sample, centres)
        prices = _prices(scores, share)
        centres = _means(sample, (scores - prices).argmax(1), centres)
    return centres, _prices(_scores(sample, centres), share)


def _scores(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """`(rows, centres)`: larger is nearer."""
    scores: np.ndarray = rows @ centres.T
    scores -= 0.5 * np.einsum("kd,kd->k", centres, centres)
    return scores


def _lloyd(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    centres = sample[rng.choice(len(sample), count, replace=len(sample) < count)].copy()
    for _ in range(LLOYD_ITERATIONS):
        owner = _scores(sample, centres).argmax(1)
        centres = _means(sample, owner, centres)
        lonely = np.flatnonzero(np.bincount(owner, minlength=count) == 0)
        centres[lonely] = sample[rng.choice(len(sample), len(lonely))]
    return centres


def _means(sample: np.ndarray, owner: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The mean of each centre's rows; a centre without rows stays where it is."""
    counts = np.bincount(owner, minlength=len(centres))
    filled = counts > 0
    means = centres.copy()
    starts = (np.cumsum(counts) - counts)[filled]
    means[filled] = np.add.reduceat(sample[np.argsort(owner, kind="stable")], starts, axis=0) / counts[filled, None]
    return means


def _prices(scores: np.ndarray, room: np.ndarray) -> np.ndarray:
    """What each centre has to cost so that no more than about `room` rows choose it; rows choose among the nearest few."""
    rows, count = scores.shape
    step = np.float32(0.3 * (scores[:SPREAD_ROWS].max(1) - np.median(scores[:SPREAD_ROWS], axis=1)).std() + 1e-6)
    near: np.ndarray | None = None
    if count > NEAR:
        near = np.concatenate([_largest(scores[start : start + BLOCK], NEAR) for start in range(0, rows, BLOCK)])
        scores = np.take_along_axis(scores, near, axis=1)
    prices = np.zeros(count, np.float32)
    best, least = prices, np.inf
    for turn in range(PRICE_STEPS):
        chosen = (scores - (prices if near is None else prices[near])).argmax(1)
        demand = np.bincount(chosen if near is None else near[np.arange(rows), chosen], minlength=count)
        excess = np.maximum(demand - room, 0).sum()
        if excess < least:
            best, least = prices.copy(), excess
        if excess <= 0.01 * rows:
            break
        prices += step * np.clip(demand / np.maximum(room, 1e-9) - 1, -1, 1).astype(np.float32)
        if room.sum() > 1.1 * rows:  # there is more room than rows, so that nothing need be filled
            np.maximum(prices, 0, out=prices)
        if turn % 10 == 9:
            step *= np.float32(0.7)
    return best


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    """`(rows, count)` int32: where the largest scores of each row are, in no order."""
    return np.argpartition(scores, scores.shape[1] - count, axis=1)[:, scores.shape[1] - count :].astype(np.int32)


def _choices(embeddings: np.ndarray | Stretched, items: np.ndarray, market: tuple[np.ndarray, np.ndarray]) -> _Choices:
    centres, prices = market
    offered = min(CHOICES, len(centres))
    choices = _Choices(np.empty((len(items), offered), np.int32), np.empty((len(items), offered), np.float32))
    for start in range(0, len(items), BLOCK):
        part = slice(start, start + BLOCK)
        scores = _scores(np.asarray(embeddings[items[part]], np.float32), centres) - prices
        top = _largest(scores, offered)
        found = np.take_along_axis(scores, top, 1)
        ranked = np.argsort(-found, axis=1, kind="stable")
        choices.centres[part], choices.values[part] = np.take_along_axis(top, ranked, 1), np.take_along_axis(found, ranked, 1)
    return choices


def _fill(choices: _Choices, embeddings: np.ndarray | Stretched, market: tuple[np.ndarray, np.ndarray], sizes: np.ndarray) -> np.ndarray:
    """`(n,)` owners, each of exactly its size: rows that would lose most elsewhere stay, the others move on to their next choice."""
    owner = np.full(len(choices.centres), -1, np.int32)
    room = sizes.copy()
    offered = choices.centres.shape[1]
    for turn in range(offered):
        waiting = np.flatnonzero(owner < 0)
        wanted = choices.centres[waiting, turn]
        regret = choices.values[waiting, turn] - choices.values[waiting, min(turn + 1, offered - 1)]
        ranked = np.lexsort((-regret, wanted))
        ordered = wanted[ranked]
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        taken = ranked[place < room[ordered]]
        owner[waiting[taken]] = wanted[taken]
        room -= np.bincount(wanted[taken], minlength=len(room))
    centres, prices = market
    for item in np.flatnonzero(owner < 0):  # few: all of their choices were full
        free = np.flatnonzero(room)
        owner[item] = free[(_scores(np.asarray(embeddings[item : item + 1], np.float32), centres[free])[0] - prices[free]).argmax()]
        room[owner[item]] -= 1
    return owner


def _refined(rows: np.ndarray, owner: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Swaps rows between leaves as long as both leaves together gain, with the leaves' means taken anew in between.

    Args:
        rows: `(n, d)` float32.
        owner: `(n,)` the leaf of each.
        sizes: Rows of each leaf.

    Returns:
        The leaf of each row, and the leaves' means.
    """
    centres = np.zeros((len(sizes), rows.shape[1]), np.float32)
    for _ in range(SWAP_ROUNDS):
        centres = _means(rows, owner, centres)
        _swap(_scores(rows, centres), owner, sizes)
    return owner, _means(rows, owner, centres)


def _swap(scores: np.ndarray, owner: np.ndarray, sizes: np.ndarray) -> None:
    """Swaps the owners of the two rows of two leaves that gain most together, until no two leaves gain."""
    leaves, most = len(sizes), int(sizes.max())
    members = np.full((leaves, most), -1, np.int64)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    by_leaf = np.argsort(owner, kind="stable")
    members[owner[by_leaf], place] = by_leaf
    gains = scores[members] - scores[members, np.arange(leaves)[:, None]][:, :, None]  # of moving to each leaf
    gains[members < 0] = -np.inf
    best = gains.max(1)  # of moving a row from the first leaf to the second
    for _ in range(SWAPS):
        together = best + best.T
        np.fill_diagonal(together, 0)
        partner = together.argmax(1)
        # Pairs that choose each other do not meet another swap.
        mutual = (partner[partner] == np.arange(leaves)) & (np.arange(leaves) < partner)
        first = np.flatnonzero(mutual & (together[np.arange(leaves), partner] > SMALLEST_GAIN))
        if not len(first):
            return
        second = partner[first]
        i, j = gains[first, :, second].argmax(1), gains[second, :, first].argmax(1)
        moving, coming = members[first, i], members[second, j]
        members[first, i], members[second, j] = coming, moving
        owner[moving], owner[coming] = second, first
        gains[first, i] = scores[coming] - scores[coming, first][:, None]
        gains[second, j] = scores[moving] - scores[moving, second][:, None]
        touched = np.concatenate([first, second])
        best[touched] = gains[touched].max(1)
