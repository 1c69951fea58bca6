"""Cuts embeddings into leaves of one size, so that a leaf is one block of rows in the file.

A graph has static shapes. With leaves of many sizes it has to look up which blocks belong to the leaves it picked, and those look-ups cost
more than the rows that are scored. Leaves of one size need none: the number of a leaf is the number of its block.

Sizes are kept by a price a leaf: a leaf that too many want becomes dearer until the demand fits (the auction view of the assignment
problem; Bertsekas, Annals of Operations Research 14, 1988). Few rows are then left over, and go to the best leaf with room.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from maker.progress import progress

TWO_LEVELS_FROM = 1024  # leaves
BLOCK = 8192  # embeddings per matrix product
SAMPLE_PER_CENTRE = 128
LLOYD_ITERATIONS, ROUNDS, PRICE_STEPS = 8, 3, 60
CHOICES = 8  # centres that a row left over is offered


@dataclass(frozen=True)
class Partition:
    """Leaves of `rows` rows each; only the last one may have fewer.

    Attributes:
        order: `(n,)` int32: the item in each row, leaf by leaf.
        rows: Rows a leaf.
        centroids: `(leaves, d)` float32: the mean of each.
        groups: Leaves come in that many groups of one size; 1 where there is only one level.
    """

    order: np.ndarray
    rows: int
    centroids: np.ndarray
    groups: int


def partition(embeddings: np.ndarray, leaves: int, seed: int) -> Partition:
    """Partitions embeddings by squared L2 distance.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        leaves: About how many leaves.
        seed: Of samples and initial centres.
    """
    items = len(embeddings)
    groups, in_group, rows = leaf_shape(items, leaves)
    rng = np.random.default_rng(seed)
    capacity = np.full(groups, in_group * rows)
    capacity[-1] -= capacity.sum() - items
    parts = [np.arange(items, dtype=np.int32)] if groups == 1 else _cut(embeddings, np.arange(items, dtype=np.int32), capacity, rng)
    order, centroids = [], []
    for part in progress(parts, "partition", quiet=items < 50 * BLOCK):
        sizes = np.full(in_group, rows)
        sizes[-1] -= sizes.sum() - len(part)
        for leaf in _cut(embeddings, part, sizes, rng):
            order.append(leaf)
            centroids.append(np.asarray(embeddings[leaf], np.float32).mean(0))
    return Partition(np.concatenate(order), rows, np.stack(centroids), groups)


def leaf_shape(items: int, leaves: int) -> tuple[int, int, int]:
    """Groups, leaves a group and rows a leaf for about that many leaves.

    Their product is at least `items`, and larger by as few rows as can be found near what is asked, always fewer than a leaf has: these
    rows are padding in the last leaf.
    """
    near = items / leaves
    rows = np.arange(max(1, math.floor(0.9 * near)), math.ceil(1.1 * near) + 1)
    if leaves >= TWO_LEVELS_FROM:
        groups = np.arange(int(1.8 * math.sqrt(leaves)), int(2.2 * math.sqrt(leaves)) + 1)
        g, b = (a.reshape(-1) for a in np.meshgrid(groups, rows))
        in_group = -(-items // (g * b))
        waste = g * in_group * b - items
        best = np.lexsort((np.abs(g * in_group - leaves), waste, waste >= b))[0]
        if waste[best] < b[best]:
            return int(g[best]), int(in_group[best]), int(b[best])
    counts = -(-items // rows)
    best = np.lexsort((np.abs(counts - leaves), counts * rows - items))[0]
    return 1, int(counts[best]), int(rows[best])


def _cut(embeddings: np.ndarray, items: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Splits `items` into parts of exactly these sizes, near ones together; each part ascends."""
    if len(sizes) == 1:
        return [items]
    fit = min(len(items), SAMPLE_PER_CENTRE * len(sizes))
    chosen = np.sort(rng.choice(len(items), fit, replace=False)) if fit < len(items) else slice(None)
    sample = np.asarray(embeddings[items[chosen]], np.float32)
    centres = _lloyd(sample, len(sizes), rng)
    share = sizes * (len(sample) / len(items))
    prices = np.zeros(len(sizes), np.float32)
    for _ in range(ROUNDS):
        scores = _scores(sample, centres)
        prices = _prices(scores, share)
        centres = _means(sample, (scores - prices).argmax(1), centres)
    prices = _prices(_scores(sample, centres), share)
    owner = _fill(embeddings, items, centres, prices, sizes)
    by_owner = np.argsort(owner, kind="stable")
    return [part.astype(np.int32) for part in np.split(items[by_owner], np.cumsum(sizes)[:-1])]


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


def _prices(scores: np.ndarray, share: np.ndarray) -> np.ndarray:
    """What each centre has to cost so that about `share` rows choose it."""
    prices = np.zeros(scores.shape[1], np.float32)
    step = np.float32(0.3 * (scores.max(1) - np.median(scores, axis=1)).std() + 1e-6)
    best, least = prices, np.inf
    for turn in range(PRICE_STEPS):
        demand = np.bincount((scores - prices).argmax(1), minlength=len(share))
        excess = np.maximum(demand - share, 0).sum()
        if excess < least:
            best, least = prices.copy(), excess
        if excess <= 0.01 * len(scores):
            break
        prices += step * np.clip(demand / np.maximum(share, 1e-9) - 1, -1, 1).astype(np.float32)
        if turn % 10 == 9:
            step *= np.float32(0.7)
    return best


def _fill(embeddings: np.ndarray, items: np.ndarray, centres: np.ndarray, prices: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The centre of each item, `sizes` of them each: those that would lose most elsewhere stay, the others move on."""
    offered = min(CHOICES, len(sizes))
    choices = np.empty((len(items), offered), np.int32)
    values = np.empty((len(items), offered), np.float32)
    for start in range(0, len(items), BLOCK):
        part = slice(start, start + BLOCK)
        scores = _scores(np.asarray(embeddings[items[part]], np.float32), centres) - prices
        top = np.argpartition(-scores, offered - 1, axis=1)[:, :offered]
        found = np.take_along_axis(scores, top, 1)
        ranked = np.argsort(-found, axis=1, kind="stable")
        choices[part], values[part] = np.take_along_axis(top, ranked, 1), np.take_along_axis(found, ranked, 1)
    owner = np.full(len(items), -1, np.int32)
    room = sizes.copy()
    for turn in range(offered):
        waiting = np.flatnonzero(owner < 0)
        wanted = choices[waiting, turn]
        regret = values[waiting, turn] - values[waiting, min(turn + 1, offered - 1)]
        ranked = np.lexsort((-regret, wanted))
        ordered = wanted[ranked]
        place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        taken = ranked[place < room[ordered]]
        owner[waiting[taken]] = wanted[taken]
        room -= np.bincount(wanted[taken], minlength=len(room))
    for item in np.flatnonzero(owner < 0):  # few: all of their choices were full
        free = np.flatnonzero(room)
        scores = _scores(np.asarray(embeddings[items[item]], np.float32)[None], centres[free])
        owner[item] = free[scores.argmax()]
        room[owner[item]] -= 1
    return owner
