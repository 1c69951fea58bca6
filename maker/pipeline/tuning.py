"""Chooses an index: as much as a recall needs, or as much as a time or a size allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from maker.errors import BuildError
from maker.evaluation.index_quality import exact_neighbours
from maker.export.search_constants import index_bytes
from maker.export.search_graph import rescored
from maker.export.searcher_file import DEFAULT_K
from maker.index.build import Index, build_index, default_options, with_routing
from maker.index.options import ScaNNOptions, Tree
from maker.index.rows import RowCoder, row_coder
from maker.index.tune import rows_recall, tune
from maker.pipeline.index_curve import measure_curve
from maker.progress import say

MOST_PRODUCTS = 1.6e11  # multiplications and additions for routing queries' true neighbours
LEAST_ROUTING = 5000  # fewer queries than that teach little
MOST_COMPARED = 200_000  # items up to which other kinds of rows are tried for the report
SPREAD = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4)  # budgets of the curve, in chosen ones
TIMED, TIMED_SHARE = 8, 0.25  # budgets tried for a time, and the largest of them


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What an index is asked for.

    Attributes:
        distance: `dot_product` or `squared_l2`.
        leaves: Partitions; 0 for none, None to choose by the number of items.
        recall: Share of the true ten nearest to find, which decides how many of the partitions a query scans.
        max_ms: Milliseconds a query may take at the median, bare and on one thread of this machine, in the place of a recall.
        max_size: Bytes that the file may have; 4-bit rows are taken where 8-bit ones do not fit.
        bits: 8 or 4 a dimension.
        rescore: `float32`, or `int8` for 4-bit rows: finer rows are kept too, and the best hundred scored again by them; None for none.
        dimension: Only the embeddings' first so many dimensions, of norm 1 again where the whole ones have that; None for all.
        k: Neighbours that a query returns at most.
        seed: Of the partitioning.
    """

    distance: str = "dot_product"
    leaves: int | None = None
    recall: float = 0.95
    max_ms: float | None = None
    max_size: int | None = None
    bits: int = 8
    rescore: str | None = None
    dimension: int | None = None
    k: int = DEFAULT_K
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            BuildError: A value is out of its range.
        """
        if not 0 < self.recall <= 1:
            raise BuildError(f"recall must be within (0, 1], found {self.recall}")
        if self.max_ms is not None and not self.max_ms > 0:
            raise BuildError(f"max_ms must be above 0, found {self.max_ms}")
        if self.max_size is not None and self.max_size < 1:
            raise BuildError(f"max_size must be at least 1 byte, found {self.max_size}")
        if self.leaves is not None and self.leaves < 0:
            raise BuildError(f"leaves must be at least 0, found {self.leaves}")
        if self.bits not in (4, 8):
            raise BuildError(f"bits must be 8 or 4, found {self.bits}")
        if self.rescore not in (None, "float32") and (self.rescore, self.bits) != ("int8", 4):
            raise BuildError(f"rescore must be float32, or int8 for 4-bit rows, found {self.rescore} for {self.bits}-bit rows")
        if self.dimension is not None and self.dimension < 1:
            raise BuildError(f"dimension must be at least 1, found {self.dimension}")
        if self.k < 1:
            raise BuildError(f"k must be at least 1, found {self.k}")
        if self.seed < 0:
            raise BuildError(f"seed must be at least 0, found {self.seed}")


@dataclass(frozen=True)
class Queries:
    """Queries of the kind that will be asked.

    Attributes:
        embeddings: `(q, d)` float32: the index is tuned and measured by them.
        how: What they are.
        routing: `(r, d)` float32, others than those: which leaves to look into is learned from them; none where there are none.
        routing_how: What they are.
    """

    embeddings: np.ndarray
    how: str
    routing: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    routing_how: str = ""


@dataclass(frozen=True)
class Chosen:
    """An index and why.

    Attributes:
        index: The index.
        curve: As `measure_curve` returns it; empty where everything is scanned.
        rows: What kinds of rows cost and allow: `rows`, `bytes_per_item`, `recall`.
    """

    index: Index
    curve: list[dict[str, Any]]
    rows: list[dict[str, Any]]


def routing_queries(embeddings: np.ndarray) -> int:
    """How many queries to learn routing from: as many as have their exact neighbours found in seconds; 0 where that is too few."""
    affordable = min(20_000, int(MOST_PRODUCTS / embeddings.size))
    return affordable if is_partitioned(len(embeddings)) and affordable >= LEAST_ROUTING else 0


def is_partitioned(items: int) -> bool:
    """Whether so many items are partitioned when nothing else is asked."""
    return default_options(items).tree is not None


def choose_index(embeddings: np.ndarray, settings: IndexSettings, queries: Queries, rest: int, lengths: Sequence[int] = ()) -> Chosen:
    """Builds the index that the settings ask for.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        settings: What is asked for.
        queries: What it is judged by.
        rest: Bytes of everything else in the file.
        lengths: Of embeddings, below theirs, for which their towers were trained.

    Raises:
        BuildError: A size is asked for that no kind of rows meets.
    """
    options = default_options(len(embeddings), settings.distance)
    if settings.leaves is not None:
        tree = Tree(settings.leaves, settings.leaves) if settings.leaves else None
        options = ScaNNOptions(settings.distance, tree=tree, score_ah=options.score_ah)
    asked = queries.embeddings
    # Not those that judge: leaves that are cut by them would flatter the recall.
    index = replace(build_index(embeddings, options, settings.seed, settings.bits, queries.routing), rescorer=settings.rescore)
    index = _fitting(index, settings, rest, lengths)
    truth = exact_neighbours(embeddings, asked, settings.distance)
    coder = row_coder(index)
    possible = rows_recall(coder, asked, truth, max(settings.k, rescored(index)))
    rows = _kinds_of_rows(coder, asked, truth, possible)
    if index.leaves is None:
        return Chosen(index, [], rows)
    if len(queries.routing) >= LEAST_ROUTING:
        say(f"learning which leaves to look into from {len(queries.routing)} {queries.routing_how}")
        index = with_routing(index, queries.routing, exact_neighbours(embeddings, queries.routing, settings.distance), settings.seed)
    if settings.max_ms is not None:
        return _by_time(index, settings.max_ms, asked, truth, settings.k, rows)
    # A neighbour is found when its leaf is scanned and quantisation has not moved it out of the first ten.
    if possible < settings.recall:
        say(
            f"the {index.scorer} rows alone give a recall of {possible:.3f}, less than {settings.recall}: everything is scanned; "
            "a lower recall, or 8 bits where 4 were asked for, makes it faster"
        )
        index = index.with_share(1.0)
    else:
        index = tune(index, asked, truth, settings.recall / possible)
    index = index.with_capacity_for(settings.k)
    budgets = {min(index.blocks, max(1, round(index.budget * multiple))) for multiple in SPREAD}
    return Chosen(index, measure_curve(index, sorted(budgets), asked, truth, settings.k), rows)


def _fitting(index: Index, settings: IndexSettings, rest: int, lengths: Sequence[int]) -> Index:
    if settings.max_size is None:
        return index
    size = index_bytes(row_coder(index)) + rest
    if size > settings.max_size and index.scorer == "int8":
        say(f"8-bit rows make a file of {size / 1e6:.2f} MB, more than the {settings.max_size / 1e6:.2f} MB asked for: 4-bit rows it is")
        index = replace(index, scorer="int4")
        size = index_bytes(row_coder(index)) + rest
    if size > settings.max_size:
        trained = f"--index-dimension {' or '.join(map(str, lengths))}, for which the towers were trained"
        raise BuildError(
            f"the smallest file of these items, with 4-bit rows, has {size / 1e6:.2f} MB, more than the {settings.max_size / 1e6:.2f} MB "
            f"asked for; use {trained if lengths else 'fewer dimensions'}, shorter metadata or fewer items"
        )
    return index


def _by_time(index: Index, most: float, queries: np.ndarray, truth: np.ndarray, k: int, rows: list[dict[str, Any]]) -> Chosen:
    """The largest budget whose median is not above `most` milliseconds, between measured ones by straight lines."""
    least = -(-k // index.block)
    largest = max(least, math.ceil(TIMED_SHARE * index.blocks))
    budgets = sorted({int(b) for b in np.geomspace(least, largest, TIMED).round()})
    points = measure_curve(index, budgets, queries, truth, k)
    times = np.maximum.accumulate([point["p50_ms"] for point in points])
    if times[0] > most:
        say(f"a query takes {times[0]} ms even where it scans only {least} leaves, more than the {most} ms asked for")
    budget = int(np.interp(most, times, [point["leaves_scanned"] for point in points]))
    index = index.with_budget(budget)
    again = measure_curve(index, [budget], queries, truth, k)
    return Chosen(index, sorted([p for p in points if p["leaves_scanned"] != budget] + again, key=lambda p: p["leaves_scanned"]), rows)


def _kinds_of_rows(coder: RowCoder, queries: np.ndarray, truth: np.ndarray, possible: float) -> list[dict[str, Any]]:
    """What the chosen kind of rows and others cost and allow; `possible` is the recall of the chosen one."""
    index, kinds = coder.index, []
    for scorer in ("int4", "int8", "float32"):
        name = scorer
        if scorer == index.scorer:
            other, recall = coder, possible
            name += f" rescored by {index.rescorer}" if index.rescorer else ""
        elif index.codebooks is not None or len(index.embeddings) > MOST_COMPARED:
            continue
        else:
            other = row_coder(replace(index, scorer=scorer, rescorer=None))
            recall = rows_recall(other, queries, truth)
        bytes_per_item = round(index_bytes(other) / len(index.embeddings), 2)
        kinds.append({"rows": name, "bytes_per_item": bytes_per_item, "recall": round(recall, 4)})
    return kinds
