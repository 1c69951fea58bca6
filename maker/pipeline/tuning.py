"""Chooses the rows and the budget of an index: for a recall, within a latency or within a file size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import BuildError
from maker.evaluation.file_parts import ROWS, largest_parts
from maker.evaluation.index_quality import exact_neighbours
from maker.export.search_constants import SearchConstants, index_bytes, search_constants
from maker.export.search_graph import rescored
from maker.index.build import Index, build_index, default_options, with_routing
from maker.index.options import DEFAULT_K, PARTITIONERS, ScaNNOptions, Tree
from maker.index.projection import learn_directions
from maker.index.rows import RowCoder, row_coder
from maker.index.tune import rows_recall, tune
from maker.pipeline.index_curve import measure_curve
from maker.pipeline.layouts import SCANNED, WIDE, Layout, choose_layout, with_layout
from maker.progress import say

MAX_PRODUCTS = 8e10  # multiply-adds to find neighbours of the routing queries
MIN_ROUTING_QUERIES, MAX_ROUTING_QUERIES = 5000, 10_000  # routing learns little from fewer
# Of the items, among which neighbours of routing queries are searched. Queries of many dimensions also train the rotation.
LEAST_ROUTING_SHARE, WIDE_ROUTING_SHARE = 1 / 2, 1 / 16
ROUTING_NEIGHBOURS = 20  # among half of the items: as good for routing as the nearest ten of all, in half the time
MAX_COMPARED = 200_000  # more items are not measured with other types of rows for the report
UNREACHED = 0.99  # of what the rows allow, if that is less than the target
CURVE_BUDGETS = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4)  # points of the curve, as multiples of the chosen budget
LEAST_SPLIT = 20  # fewer queries both tune and measure
TIMED_BUDGETS, MAX_TIMED_SHARE = 8, 0.25  # number of budgets measured for `max_ms`; the largest, as a share of the leaves


RESCORERS = ("int8", "float32", "rest4", "rest8")


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """Settings of an index.

    Attributes:
        distance: `dot_product` or `squared_l2`.
        leaves: Number of partitions; 0 for none, None to choose it by the number of items.
        recall: Share of the true ten nearest neighbours to find. It decides how many leaves a query scans.
        max_ms: Maximum median latency of a query in milliseconds, for the bare signature on one thread of this machine. It replaces
            `recall`.
        share: Share of the leaves that a query scans, in (0, 1]. It replaces `recall` and `max_ms`. None to tune.
        max_size: Maximum size of the file in bytes. Of the layouts that fit, the one with the least work for `recall` is taken. Rows of few
            dimensions have two: 4 bits if 8 do not fit.
        bits: Bits per dimension, 8 or 4.
        rescore: `float32`, or `int8` for 4-bit rows: rows of this type are stored too, and the best hundred results are scored again by
            them. With `scan_dimension` also `rest4` or `rest8`: the dimensions that are not scanned, in 4 or 8 bits. None for no rescoring.
        scan_dimension: Scan rows that are projected to this many dimensions, and score the best hundred again; 0 to scan whole rows. None
            chooses, together with `rescore`, for rows of 256 dimensions and more. For dot products only.
        dimension: Index only this many leading dimensions, normalised again if the embeddings have norm 1; None for all.
        k: Maximum number of neighbours that a query returns.
        seed: Seed of the partitioning.
        partitioner: `own` or `scann`, as in `build_index`.
    """

    distance: str = "dot_product"
    leaves: int | None = None
    recall: float = 0.95
    max_ms: float | None = None
    share: float | None = None
    max_size: int | None = None
    bits: int = 8
    rescore: str | None = None
    scan_dimension: int | None = None
    dimension: int | None = None
    k: int = DEFAULT_K
    seed: int = 0
    partitioner: str = PARTITIONERS[0]

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            BuildError: A value is out of its range.
        """
        if not 0 < self.recall <= 1:
            raise BuildError(f"recall must be within (0, 1], found {self.recall}")
        if self.max_ms is not None and not self.max_ms > 0:
            raise BuildError(f"max_ms must be above 0, found {self.max_ms}")
        if self.share is not None and not 0 < self.share <= 1:
            raise BuildError(f"share must be within (0, 1], found {self.share}")
        if self.max_size is not None and self.max_size < 1:
            raise BuildError(f"max_size must be at least 1 byte, found {self.max_size}")
        if self.leaves is not None and self.leaves < 0:
            raise BuildError(f"leaves must be at least 0, found {self.leaves}")
        if self.bits not in (4, 8):
            raise BuildError(f"bits must be 8 or 4, found {self.bits}")
        if self.scan_dimension and (self.scan_dimension < 0 or self.distance != "dot_product"):
            raise BuildError(f"scan_dimension must be at least 0, for dot products, found {self.scan_dimension} for {self.distance}")
        if self.scan_dimension and self.rescore not in (None, *RESCORERS):
            raise BuildError(f"rescore must be one of {', '.join(RESCORERS)}, found {self.rescore}")
        if not self.scan_dimension and self.rescore not in (None, "float32") and (self.rescore, self.bits) != ("int8", 4):
            raise BuildError(f"rescore must be float32, or int8 for 4-bit rows, found {self.rescore} for {self.bits}-bit rows")
        if self.dimension is not None and self.dimension < 1:
            raise BuildError(f"dimension must be at least 1, found {self.dimension}")
        if self.k < 1:
            raise BuildError(f"k must be at least 1, found {self.k}")
        if self.seed < 0:
            raise BuildError(f"seed must be at least 0, found {self.seed}")
        if self.partitioner not in PARTITIONERS:
            raise BuildError(f"partitioner must be one of {', '.join(PARTITIONERS)}, found {self.partitioner!r}")
        if self.partitioner != PARTITIONERS[0] and self.leaves == 0:
            raise BuildError(f"partitioner {self.partitioner} makes leaves, but 0 are asked for; leave one of the two out")


@dataclass(frozen=True)
class Queries:
    """Typical queries.

    Attributes:
        embeddings: `(q, d)` float32: every other one tunes the index, and the others measure it.
        how: Their origin, for the report.
        routing: `(r, d)` float32 other queries, to train the choice of leaves; may be empty.
        routing_how: Their origin.
    """

    embeddings: np.ndarray
    how: str
    routing: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    routing_how: str = ""

    @property
    def tuning(self) -> np.ndarray:
        """The queries by which an index is tuned, `(t, d)`; all of them, if they are few."""
        return self.embeddings[::2] if self.are_split else self.embeddings

    @property
    def held_out(self) -> np.ndarray:
        """The queries that take no part in tuning, `(h, d)`; all of them, if they are few."""
        return self.embeddings[1::2] if self.are_split else self.embeddings

    @property
    def are_split(self) -> bool:
        """Whether some queries tune an index, and others measure it."""
        return len(self.embeddings) >= LEAST_SPLIT


@dataclass(frozen=True)
class Chosen:
    """The chosen index, with the measurements behind the choice.

    Attributes:
        index: The index.
        curve: Points of `measure_curve`; empty for an index without leaves.
        rows: One entry per type of rows: `rows`, `bytes_per_item`, and `recall` when all rows are scanned.
        target: The recall that the index was tuned for; None if it was not tuned for one.
        held_out: Whether other queries measure the index than those that tuned it.
        constants: The constants of the index, if they were made.
    """

    index: Index
    curve: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    target: float | None = None
    held_out: bool = True
    constants: SearchConstants | None = None

    def against(self, recall: float) -> dict[str, Any]:
        """What the report says of the target, beside the recall of the queries that measure the index; empty without a target.

        The recall of the queries that tuned it is left out where they measure it, too.
        """
        if self.target is None:
            return {}
        reached = {"target": self.target, "met": recall >= self.target}
        if not self.held_out:
            return reached
        (tuned,) = [point["recall"] for point in self.curve if point["leaves_scanned"] == self.index.budget]
        return {**reached, "tuned_recall": tuned}


def routing_queries(embeddings: np.ndarray) -> int:
    """How many queries to train routing with: as many as exact search can answer in seconds; 0 if these are too few."""
    items, dimension = embeddings.shape
    share = LEAST_ROUTING_SHARE * dimension if dimension < WIDE else WIDE_ROUTING_SHARE * SCANNED[-1]
    affordable = min(MAX_ROUTING_QUERIES, int(MAX_PRODUCTS / (share * items)))
    return affordable if is_partitioned(items) and affordable >= MIN_ROUTING_QUERIES else 0


def is_partitioned(items: int) -> bool:
    """Whether this number of items is partitioned by default."""
    return default_options(items).tree is not None


def choose_index(
    embeddings: np.ndarray, settings: IndexSettings, queries: Queries, rest: Mapping[str, int], output: Path, lengths: Sequence[int] = ()
) -> Chosen:
    """Builds and tunes an index according to the settings.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        settings: The settings.
        queries: Typical queries.
        rest: Bytes of everything else in the file, by part.
        output: The file that the index is for; temporary files lie beside it.
        lengths: Smaller dimensions that the towers were trained for, for the error.

    Raises:
        BuildError: Even the smallest rows do not fit into `max_size`.
    """
    options = default_options(len(embeddings), settings.distance)
    if settings.leaves is not None:
        tree = Tree(settings.leaves, settings.leaves) if settings.leaves else None
        options = ScaNNOptions(settings.distance, tree=tree, score_ah=options.score_ah)
    if options.tree is None and settings.partitioner != PARTITIONERS[0]:
        say(f"warning: {len(embeddings)} items get no leaves: partitioner {settings.partitioner} has no effect; ask for --leaves")
    measuring = queries.tuning
    # Leaves must not be formed by the measuring queries: that would overestimate the recall.
    scanned, free = settings.scan_dimension or 0, _is_free(embeddings, settings, options)
    directions = projection = None
    if free or 0 < scanned < embeddings.shape[1]:
        directions = learn_directions(embeddings, queries.routing if len(queries.routing) else measuring, settings.seed)
        projection = directions.first(SCANNED[-1] if free else scanned)
    index = build_index(embeddings, options, settings.seed, settings.bits, queries.routing, settings.partitioner, projection)
    if settings.leaves and index.blocks != settings.leaves:
        say(f"{index.blocks} leaves in place of {settings.leaves}: all leaves have one size, here {index.block} rows")
    truth = exact_neighbours(embeddings, measuring, settings.distance)
    if directions is not None and free:
        most = None if settings.max_size is None else settings.max_size - sum(rest.values())
        index = choose_layout(index, directions, measuring, truth, settings.k, settings.recall, most)
    elif directions is not None and (settings.rescore or "").startswith("rest"):
        index = with_layout(index, directions, Layout(scanned, str(settings.rescore), embeddings.shape[1] - scanned))
    else:
        index = replace(index, rescorer=_rescorer(settings, index))
    index = _fitting(index, settings, rest, lengths)
    coder = row_coder(index)
    max_recall = rows_recall(coder, measuring, truth, rescored(index, settings.k))
    rows = _types_of_rows(coder, measuring, truth, max_recall)
    if index.leaves is None:
        return Chosen(index, [], rows)
    if len(queries.routing) >= MIN_ROUTING_QUERIES:
        say(f"training the choice of leaves on {len(queries.routing)} {queries.routing_how}")
        index = with_routing(index, queries.routing, _routing_targets(index, queries.routing, settings.seed), settings.seed)
    if settings.share is not None:
        index = index.with_share(settings.share).with_capacity_for(settings.k)
        constants = search_constants(index)
        curve = measure_curve(constants, [index.budget], measuring, truth, settings.k, output)
        return Chosen(index, curve, rows, constants=constants)
    if settings.max_ms is not None:
        return _by_time(index, settings.max_ms, measuring, truth, settings.k, rows, output)
    # A neighbour is found if its leaf is scanned and quantisation keeps it among the first ten.
    if max_recall < settings.recall:
        better = "a larger --max-size" if free else "--bits 8 instead of 4" if index.projection is None else "a larger --scan-dimension"
        say(
            f"warning: {index.scorer} rows reach a recall of {max_recall:.3f} at most, less than {settings.recall}: a query scans what "
            f"finds {UNREACHED:.0%} of that; pass {better}, for more, or a lower --recall, for faster queries"
        )
        index = tune(index, measuring, truth, UNREACHED)
    else:
        index = tune(index, measuring, truth, settings.recall / max_recall)
    index = index.with_capacity_for(settings.k)
    budgets = {min(index.blocks, max(1, round(index.budget * multiple))) for multiple in CURVE_BUDGETS}
    constants = search_constants(index)
    curve = measure_curve(constants, sorted(budgets), measuring, truth, settings.k, output)
    return Chosen(index, curve, rows, settings.recall, queries.are_split, constants)


def _is_free(embeddings: np.ndarray, settings: IndexSettings, options: ScaNNOptions) -> bool:
    """Whether the layout of the rows is chosen: rows of many dimensions that are partitioned or have to fit, if no layout is asked for."""
    asked = settings.bits != 8 or settings.rescore is not None or settings.scan_dimension is not None
    needed = options.tree is not None or settings.max_size is not None
    return needed and not asked and settings.distance == "dot_product" and embeddings.shape[1] >= WIDE


def _rescorer(settings: IndexSettings, index: Index) -> str | None:
    """The type of the finer rows."""
    if index.projection is not None:
        return settings.rescore or "int8"
    if settings.scan_dimension:
        dimension = index.embeddings.shape[1]
        wanted = settings.scan_dimension
        say(f"warning: the rows have {dimension} dimensions: whole rows are scanned; --scan-dimension {wanted} has no effect")
    return None if settings.rescore == index.scorer else settings.rescore


def _routing_targets(index: Index, queries: np.ndarray, seed: int) -> np.ndarray:
    """`(q, 20)` int64: the nearest of a random part of the items, at most half, by what is scanned.

    They are in the same leaves as the others.
    """
    items, asked = index.scanned, index.asked(queries)
    count = min(-(-len(items) // 2), int(MAX_PRODUCTS / asked.size))
    part = np.sort(np.random.default_rng(seed).permutation(len(items))[:count])
    return part[exact_neighbours(np.asarray(items[part], np.float32), asked, index.distance, ROUTING_NEIGHBOURS)]


def _fitting(index: Index, settings: IndexSettings, rest: Mapping[str, int], lengths: Sequence[int]) -> Index:
    """The index with rows small enough for `max_size`."""
    if settings.max_size is None:
        return index
    others = sum(rest.values())
    size = index_bytes(row_coder(index)) + others
    if size > settings.max_size and index.scorer == "int8" and index.rest is None:
        say(f"8-bit rows need {size / 1e6:.2f} MB, more than the maximum of {settings.max_size / 1e6:.2f} MB: using 4-bit rows")
        index = replace(index, scorer="int4")
        size = index_bytes(row_coder(index)) + others
    if size > settings.max_size:
        parts = largest_parts({ROWS: size - others, **rest})
        trained = f"--index-dimension {' or '.join(map(str, lengths))}, for which the towers were trained"
        single = "no --rescore and no --scan-dimension, " if settings.rescore or settings.scan_dimension else ""
        raise BuildError(
            f"the smallest file of these items, with 4-bit rows, has {size / 1e6:.2f} MB, more than the maximum of "
            f"{settings.max_size / 1e6:.2f} MB; use {single}{trained if lengths else 'fewer dimensions'}, shorter metadata or fewer items. "
            f"The largest parts: {parts}"
        )
    return index


def _by_time(
    index: Index, max_ms: float, queries: np.ndarray, truth: np.ndarray, k: int, rows: list[dict[str, Any]], output: Path
) -> Chosen:
    """The largest budget with a median latency of at most `max_ms`, by linear interpolation between measured budgets."""
    least = -(-k // index.block)
    largest = max(least, math.ceil(MAX_TIMED_SHARE * index.blocks))
    budgets = sorted({int(b) for b in np.geomspace(least, largest, TIMED_BUDGETS).round()})
    constants = search_constants(index)
    points = measure_curve(constants, budgets, queries, truth, k, output)
    times = np.maximum.accumulate([point["p50_ms"] for point in points])
    if times[0] > max_ms:
        say(f"warning: a query that scans only {least} leaves takes {times[0]} ms, more than the maximum of {max_ms} ms")
    budget = int(np.interp(max_ms, times, [point["leaves_scanned"] for point in points]))
    index = index.with_budget(budget)
    again = measure_curve(constants, [budget], queries, truth, k, output)
    curve = sorted([p for p in points if p["leaves_scanned"] != budget] + again, key=lambda p: p["leaves_scanned"])
    return Chosen(index, curve, rows, constants=constants)


def _types_of_rows(coder: RowCoder, queries: np.ndarray, truth: np.ndarray, max_recall: float) -> list[dict[str, Any]]:
    """Size and recall of each type of rows; `max_recall` is that of the chosen type."""
    index, types = coder.index, []
    for scorer in ("int4", "int8", "float32"):
        name = scorer
        if scorer == index.scorer:
            other, recall = coder, max_recall
            name += f" of {coder.dimension} dimensions" if index.projection is not None else ""
            name += f" rescored by {index.rescorer}" if index.rescorer else ""
        elif index.codebooks is not None or len(index.embeddings) > MAX_COMPARED:
            continue
        else:
            other = row_coder(replace(index, scorer=scorer, rescorer=None, projection=None, projected=None, rest=None))
            recall = rows_recall(other, queries, truth)
        bytes_per_item = round(index_bytes(other) / len(index.embeddings), 2)
        types.append({"rows": name, "bytes_per_item": bytes_per_item, "recall": round(recall, 4)})
    return types
