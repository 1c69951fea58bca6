"""Chooses the layout of the rows of an index: how many dimensions a query scans, and what scores the best rows again.

Rows of many dimensions are rotated by `maker.index.projection`. The first directions are scanned, 8 bits each. The rest of a row is read
for the best ones only, in 4 or 8 bits. The fewer dimensions are scanned, the less each row costs, but the more true neighbours are not
among these, for which a query has to scan more leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from maker.export.search_constants import index_bytes
from maker.export.search_graph import rescored
from maker.index.build import Index
from maker.index.projection import Directions
from maker.index.rows import approximate_fine_coder, row_coder
from maker.index.tune import ranks_by_groups, rows_recalls, scored_rows, tuned
from maker.progress import say

WIDE = 256  # dimensions from which the layout is chosen
SCANNED = (48, 64, 96, 128)
SCANNED_TO_FIT = (48, 64, 80, 96, 112, 128)  # tried for a size
RESTS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # and all that is left
REST_STEP = 8  # of the largest rest that fits
CANDIDATES = (40, 100, 250)  # rows scored again
# Costs in scanned dimensions, by timing: to keep the best in order, per row; to fetch and order a row again; a dimension of such a row.
PER_ROW, PER_CANDIDATE, PER_RESCORED = 80, 2000, 3
MEASURED = 1000  # neighbours by which a recall is known
ALIKE = 1.15  # of two layouts whose costs differ less, the smaller one is taken


@dataclass(frozen=True)
class Layout:
    """A layout of the rows.

    Attributes:
        scanned: Dimensions that a query scans, 8 bits each.
        rescorer: `rest4` or `rest8`.
        rest: Further dimensions, read for the candidates only.
        candidates: How many of the best scanned rows are scored again.
    """

    scanned: int
    rescorer: str
    rest: int
    candidates: int = CANDIDATES[1]

    def __str__(self) -> str:
        """For people."""
        return f"{self.scanned} int8 dimensions scanned, {self.rest} of {self.rescorer[-1]} bits for the best {self.candidates}"


@dataclass(frozen=True)
class Measured:
    """A layout, its size in bytes, the recall when a query scans all rows, and the cost of a query; infinite if it misses the target."""

    layout: Layout
    size: int
    recall: float
    cost: float


def layouts(dimension: int, scanned: int, most: int) -> Iterator[Layout]:
    """All layouts that scan so many of the dimensions; with a rest of 4 bits up to `most` dimensions, which are tried, too."""
    rests = sorted({rest for rest in (*RESTS, most, dimension - scanned) if 0 < rest <= min(most, dimension - scanned)} or {RESTS[0]})
    for candidates in CANDIDATES:
        yield from (Layout(scanned, "rest4", rest, candidates) for rest in rests)
        yield Layout(scanned, "rest8", dimension - scanned, candidates)


def with_layout(index: Index, directions: Directions, layout: Layout) -> Index:
    """An index that was built in at least as many dimensions as the layout scans, with that layout."""
    scanned = layout.scanned
    assert index.projected is not None
    return replace(
        index,
        projection=directions.first(scanned),
        projected=index.projected[:, :scanned],
        leaves=None if index.leaves is None else replace(index.leaves, vectors=index.leaves.vectors[:, :scanned]),
        groups=None if index.groups is None else replace(index.groups, vectors=index.groups.vectors[:, :scanned]),
        rescorer=layout.rescorer,
        rest=directions.rest(scanned, layout.rest),
        candidates=layout.candidates,
    )


def choose_layout(
    index: Index, directions: Directions, queries: np.ndarray, truth: np.ndarray, k: int, recall: float, most_bytes: int | None
) -> Index:
    """The index with the layout whose queries cost least at a recall, of those that fit.

    Args:
        index: Built with `directions.first(SCANNED[-1])`.
        directions: The rotation.
        queries: `(q, d)` float32, to measure with.
        truth: `(q, t)` int: the nearest items of each query by exact search.
        k: Results of a query.
        recall: The target.
        most_bytes: The most bytes of the index; None for no limit.
    """
    found = _measured(index, directions, queries, truth, k, recall, most_bytes)
    fitting = [one for one in found if most_bytes is None or one.size <= most_bytes]
    if not fitting:
        smallest = min(found, key=lambda one: one.size)
        return with_layout(index, directions, smallest.layout)  # the caller says that it does not fit
    if all(math.isinf(one.cost) for one in fitting):
        best = max(fitting, key=lambda one: one.recall)
    else:
        least = min(one.cost for one in fitting)
        best = min((one for one in fitting if one.cost <= ALIKE * least), key=lambda one: one.size)
    items = len(index.order)
    limit = f" in at most {most_bytes / items:.0f} bytes an item" if most_bytes else ""
    reason = f"the least work for recall {recall}{limit}" if math.isfinite(best.cost) else f"the highest recall{limit}"
    say(f"rows: {best.layout}; {best.size / items:.0f} bytes an item, recall {best.recall:.3f} at most: {reason}, of {len(found)} layouts")
    return with_layout(index, directions, best.layout)


def _measured(
    index: Index, directions: Directions, queries: np.ndarray, truth: np.ndarray, k: int, recall: float, most_bytes: int | None
) -> list[Measured]:
    found = []
    index = replace(index, moments=None)  # rounding to the nearest is faster, and nearly as good
    for scanned in SCANNED if most_bytes is None else SCANNED_TO_FIT:
        head = replace(with_layout(index, directions, Layout(scanned, "rest4", RESTS[0])), rescorer=None, rest=None)
        coder = row_coder(head)
        ranks = None if index.leaves is None else ranks_by_groups(head, queries, truth)
        of_head = index_bytes(coder)
        several = _fitting(index, directions, scanned, of_head, most_bytes)
        again = [rescored(one, k) for _, one, _ in several]
        recalls = rows_recalls(coder, [one for _, one, _ in several], queries, truth, again)
        for (layout, one, size), reached, count in zip(several, recalls, again, strict=True):
            cost = math.inf
            # With leaves, `tuned` keeps a margin; without, the rows themselves have to.
            margin = 0.0 if ranks is not None else math.sqrt(reached * (1 - reached) / min(truth.size, MEASURED))
            if reached - margin >= recall:
                rows = len(index.order) if ranks is None else scored_rows(tuned(one, ranks, recall / reached))
                cost = rows * (scanned + PER_ROW) + count * (PER_CANDIDATE + PER_RESCORED * layout.rest)
            found.append(Measured(layout, size, reached, cost))
    return found


def _fitting(index: Index, directions: Directions, scanned: int, of_head: int, most_bytes: int | None) -> list[tuple[Layout, Index, int]]:
    """The layouts that scan so many dimensions and fit, with their sizes; the smallest if none fits."""
    items, dimension = index.blocks * index.block, index.embeddings.shape[1]
    most = dimension
    if most_bytes is not None:
        a_dimension = items / 2 + directions.queries.itemsize * dimension  # bytes of one more dimension of 4 bits
        most = max(0, int((most_bytes - of_head - items) / a_dimension) // REST_STEP * REST_STEP)
    sized = []
    for layout in layouts(dimension, scanned, most):
        one = with_layout(index, directions, layout)
        sized.append((layout, one, of_head + _bytes_of_rest(one)))
    fitting = [one for one in sized if most_bytes is None or one[2] <= most_bytes]
    return fitting or [min(sized, key=lambda one: one[2])]


def _bytes_of_rest(index: Index) -> int:
    """Bytes of the rest, with a scale of one byte for each row."""
    coder = approximate_fine_coder(index)
    assert coder is not None
    assert index.rest is not None
    return index.blocks * index.block * (coder.width + 1) + index.rest.queries.nbytes
