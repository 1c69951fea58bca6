"""Equally near items: which of them count as right results, and which copies of an item a query scans first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 8192  # rows processed at a time: they stay in the cache
TOLERANCE = 4 * float(np.finfo(np.float32).eps)  # relative difference of scores that count as equal


def right_results(embeddings: np.ndarray, query: np.ndarray, found: Sequence[int] | np.ndarray, truth: np.ndarray, distance: str) -> int:
    """How many of the results of a query are right: not farther away than the farthest true neighbour.

    Of equally near items, exact search returns an arbitrary few; the others are just as right.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        query: `(d,)` float32.
        found: `(r,)` item numbers; negative ones are "no result", and repeated ones count once.
        truth: `(k,)` int: the nearest items by exact search.
        distance: `dot_product` or `squared_l2`.

    Returns:
        The number of right results, at most k.
    """
    true, distinct = set(truth.tolist()), set(np.asarray(found).tolist())
    right = len(distinct & true)
    others = [item for item in distinct - true if item >= 0]
    if others:
        rows = np.asarray(embeddings[np.concatenate([truth, others])], np.float64)
        scores = rows @ query.astype(np.float64) if distance == "dot_product" else -((rows - query) ** 2).sum(1)
        least = scores[: len(truth)].min()
        right += int((scores[len(truth) :] >= least - TOLERANCE * abs(least)).sum())
    return min(right, len(truth))


@dataclass(frozen=True)
class Copies:
    """Groups of items with equal embeddings.

    Attributes:
        group_of: `(n,)` int32: the group of each item; -1 for an item without a copy, or whose group was not asked for.
        items: The items of each group, ascending.
    """

    group_of: np.ndarray
    items: list[np.ndarray]


def find_copies(embeddings: np.ndarray, wanted: np.ndarray) -> Copies:
    """The groups of equal embeddings that the wanted items belong to.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        wanted: Item numbers, of any shape.
    """
    # A hash finds the candidates. Its sums of integers wrap exactly, so that copies have equal hashes wherever they are.
    weights = np.random.default_rng(0).integers(1, 1 << 63, embeddings.shape[1], np.uint64) * 2 + 1
    hashes = np.empty(len(embeddings), np.uint64)
    for start in range(0, len(embeddings), BLOCK):
        hashes[start : start + BLOCK] = _rows(embeddings, slice(start, start + BLOCK)).view(np.uint32).astype(np.uint64) @ weights
    items = np.flatnonzero(np.isin(hashes, hashes[np.unique(wanted)]))
    items = items[np.argsort(hashes[items], kind="stable")]
    first = items[np.searchsorted(hashes[items], hashes[items])]  # of those with the same hash
    parts = [slice(start, start + BLOCK) for start in range(0, len(items), BLOCK)]
    equal = np.concatenate([(_rows(embeddings, items[part]) == _rows(embeddings, first[part])).all(1) for part in parts])
    items, first = items[equal], first[equal]
    groups = np.split(items, np.flatnonzero(np.diff(first)) + 1)
    copies = Copies(np.full(len(embeddings), -1, np.int32), [group for group in groups if len(group) > 1])
    for number, group in enumerate(copies.items):
        copies.group_of[group] = number
    return copies


def _rows(embeddings: np.ndarray, chosen: np.ndarray | slice) -> np.ndarray:
    """`(rows, d)` float32 without -0.0, so that equal rows have equal bits."""
    return np.asarray(embeddings[chosen], np.float32) + np.float32(0)
