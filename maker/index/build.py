"""Builds an index from embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from maker.errors import BuildError, DataError
from maker.index import product_quantisation
from maker.index.balanced import partition
from maker.index.clustering import Trainer
from maker.index.kmeans import scann_tree
from maker.index.metric import Rows, TransformedEmbeddings, learn_transform
from maker.index.options import EXACT_BELOW, PARTITIONERS, ScaNNOptions, ScoreAH, Tree
from maker.index.projection import Projection
from maker.index.rounding import QueryMoments, learn_moments
from maker.index.routing import Router, centroid_router, learn_router
from task.format.manifest import NORM_TOLERANCE

ROUNDED = ("int8", "int4")  # types of rows that are rounded by what queries ask for
BLOCK_ROWS = 16  # rows per block of an index without partitions
ITEMS_PER_LEAF, MANY_ITEMS = 36, 2_000_000  # beyond MANY_ITEMS, leaves are twice as large
GROUPS_SEARCHED = 3  # times the square root of the number of groups; tuning adds more if needed
CANDIDATES = 100  # rows that finer rows score again
BLOCK = 8192  # rows processed at a time: they stay in the cache
LARGEST_VALUE = 1e12  # squares and sums of such values stay well within float32


@dataclass(frozen=True, kw_only=True)
class Index:
    """Rows in blocks of equal size. In a partitioned index each leaf is a block, and a query scans the `budget` best-scoring leaves.

    Attributes:
        distance: `dot_product` or `squared_l2`.
        embeddings: `(n, d)` float32, as given.
        order: `(n,)` int32: the item in each row.
        block: Rows per block or leaf; rows after the last item are padding.
        leaves: Scores leaves; None if the index is not partitioned and a query scans everything.
        groups: Scores groups of leaves; None if a query scores all leaves.
        group_of: `(leaves,)` int32: the group of each leaf, ascending; None without groups.
        groups_searched: Number of groups whose leaves a query scores.
        budget: Number of leaves (or blocks) that a query scans.
        scorer: Type of the scanned rows: `int8`, `int4`, `product` or `float32`.
        codebooks: For `product`.
        rescorer: What scores the best scanned rows again: whole rows of `int8` or `float32`; or the rest, `rest4` or `rest8`: rows of the
            directions that are not scanned, whose products are added to those of the scanned rows. None for nothing.
        projection: Projects the scanned rows to fewer dimensions, in which leaves and groups are scored, too; None if they are whole. An
            index with it has a rescorer.
        projected: `(n, p)` float32, the projected embeddings; None without projection.
        rest: Projects the rows of the rest; None without `rest4` and `rest8`.
        candidates: How many of the best scanned rows the rescorer scores again.
        moments: What queries ask for, by which int8 and 4-bit rows are rounded; None to round to the nearest.
    """

    distance: str
    embeddings: np.ndarray
    order: np.ndarray
    block: int
    leaves: Router | None = None
    groups: Router | None = None
    group_of: np.ndarray | None = None
    groups_searched: int = 1
    budget: int
    scorer: str
    codebooks: product_quantisation.Codebooks | None = None
    rescorer: str | None = None
    projection: Projection | None = None
    projected: np.ndarray | None = None
    rest: Projection | None = None
    candidates: int = CANDIDATES
    moments: QueryMoments | None = None

    @property
    def scanned(self) -> Rows:
        """What the scanned rows are made of: the embeddings, or the projected ones."""
        if self.projected is None and self.projection is not None:
            return TransformedEmbeddings(self.embeddings, self.projection.items)
        return self.embeddings if self.projected is None else self.projected

    @property
    def dimension(self) -> int:
        """The dimension of the scanned rows."""
        return int(self.embeddings.shape[1] if self.projection is None else self.projection.items.shape[1])

    def asked(self, queries: np.ndarray) -> np.ndarray:
        """Queries `(q, d)` as they score leaves and scanned rows, `(q, p)` if the index has a projection."""
        return queries if self.projection is None else queries @ self.projection.queries

    @property
    def blocks(self) -> int:
        """Number of blocks; of leaves, if the index is partitioned."""
        return -(-len(self.order) // self.block)

    @property
    def padding(self) -> int:
        """Number of rows after the last item."""
        return self.blocks * self.block - len(self.order)

    @property
    def leaf_of(self) -> np.ndarray:
        """`(n,)` int32: the leaf of each item."""
        leaf = np.empty(len(self.order), np.int32)
        leaf[self.order] = np.arange(len(self.order)) // self.block
        return leaf

    def row_blocks(self) -> Iterator[np.ndarray]:
        """What the scanned rows are made of, in row order, 8,192 at a time, float32."""
        for start in range(0, len(self.order), BLOCK):
            yield np.asarray(self.scanned[self.order[start : start + BLOCK]], np.float32)

    def with_capacity_for(self, k: int) -> Index:
        """The same index with a budget of at least k rows, or of all rows if there are fewer."""
        return self.with_budget(max(self.budget, -(-k // self.block)))

    def with_share(self, share: float) -> Index:
        """The same index with a budget of that share of the leaves, in (0, 1], rounded up."""
        return self.with_budget(math.ceil(share * self.blocks - 1e-9))

    def with_budget(self, budget: int) -> Index:
        """The same index with that many leaves to scan; it searches more groups if those searched have too few leaves."""
        budget = min(self.blocks, max(1, budget))
        if self.groups is None or self.group_of is None:
            return replace(self, budget=budget)
        # A query may pick the smallest groups: even they must have `budget` leaves together.
        smallest = np.cumsum(np.sort(np.bincount(self.group_of)))
        enough = 1 + int(np.searchsorted(smallest, budget))
        return replace(self, budget=budget, groups_searched=max(self.groups_searched, enough))

    def describe(self) -> dict[str, object]:
        """The manifest's `index` entry."""
        return {
            "kind": "exact" if self.leaves is None else "tree",
            "leaves": 0 if self.leaves is None else self.blocks,
            "groups": 0 if self.groups is None else len(self.groups.vectors),
            "groups_searched": 0 if self.groups is None else self.groups_searched,
            "routing_queries": 0 if self.leaves is None else self.leaves.training_queries,
            "rows": self.scorer,
            "rescored_by": self.rescorer,
            "scanned_dimensions": None if self.projection is None else self.projection.items.shape[1],
            "candidates": None if self.rescorer is None else self.candidates,
            "rest_dimensions": None if self.rest is None else self.rest.items.shape[1],
            "dimensions_per_block": None if self.codebooks is None else int(self.codebooks.entries.shape[2]),
            "block": self.block,
            "blocks_scanned": self.budget,
            "share_scanned": round(self.budget / self.blocks, 6),
        }


def check_embeddings(embeddings: np.ndarray, name: str = "embeddings") -> None:
    """Checks the shape, the dtype and every value.

    Args:
        embeddings: Expected to be `(n, d)` floating point; may be memory-mapped.
        name: Names the array in errors.

    Raises:
        DataError: The array is empty, not two-dimensional or not floating point, or has a value that is not finite or beyond 1e12.
    """
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise DataError(f"{name}: shape {embeddings.shape}, expected (items, dimensions) with at least one of each")
    if embeddings.dtype.kind != "f":
        raise DataError(f"{name}: dtype {embeddings.dtype}, expected float32")
    for start in range(0, len(embeddings), BLOCK):
        block = embeddings[start : start + BLOCK]
        for bad, what in (
            (~np.isfinite(block).all(1), "that is not finite"),
            ((np.abs(block) > LARGEST_VALUE).any(1), f"beyond {LARGEST_VALUE:.0e}"),
        ):
            if bad.any():
                raise DataError(f"{name}: row {start + int(bad.argmax())} has a value {what}; remove the row or embed it again")


def check_index_inputs(embeddings: np.ndarray, options: ScaNNOptions) -> None:
    """Checks embeddings and options before anything is built.

    Raises:
        DataError: As `check_embeddings`.
        BuildError: There are more items than int32 ids, or fewer embeddings than leaves.
    """
    check_embeddings(embeddings)
    if len(embeddings) > np.iinfo(np.int32).max:
        most = np.iinfo(np.int32).max
        raise BuildError(f"{len(embeddings)} items, expected at most {most}, because ids are int32; split the items over several files")
    if options.tree is not None and len(embeddings) < options.tree.num_leaves:
        raise BuildError(f"{len(embeddings)} embeddings cannot fill {options.tree.num_leaves} leaves; ask for fewer")


def are_normalized(embeddings: np.ndarray) -> bool:
    """Whether every row has Euclidean norm 1, within 0.001."""
    for start in range(0, len(embeddings), BLOCK):
        norms = np.linalg.norm(np.asarray(embeddings[start : start + BLOCK], np.float32), axis=1)
        if np.abs(norms - 1.0).max() > NORM_TOLERANCE:
            return False
    return True


def default_options(items: int, distance: str = "dot_product") -> ScaNNOptions:
    """The default options for a number of items: int8 rows, and from `EXACT_BELOW` items on leaves of about 36 items.

    Smaller leaves mean more centroids to score and fewer rows to scan.
    """
    tree = None
    if items >= EXACT_BELOW:
        leaves = items // (ITEMS_PER_LEAF if items <= MANY_ITEMS else 2 * ITEMS_PER_LEAF)
        tree = Tree(leaves, max(1, leaves // 20))
    return ScaNNOptions(distance, tree=tree, score_ah=ScoreAH(1))


def build_index(
    embeddings: np.ndarray,
    options: ScaNNOptions,
    seed: int = 0,
    bits: int = 8,
    queries: np.ndarray | None = None,
    partitioner: str = PARTITIONERS[0],
    projection: Projection | None = None,
) -> Index:
    """Partitions embeddings; rows are quantised when the file is written.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        options: Distance, partitioning and scorer. The number of leaves may differ by 10 %, because all leaves have equal size.
        seed: Seeds the partitioning.
        bits: 8 or 4 per dimension; 4 needs `ScoreAH(1)`.
        queries: `(q, d)` float32, representative of future queries and not used to measure the index. Their distribution decides how leaves
            are partitioned for dot products, and how rows are rounded.
        partitioner: `own`, or `scann`: ScaNN's tree is the start of the partitioning, and its leaves are then made equal.
        projection: Projects the scanned rows, whose leaves are then formed of projected rows.

    Raises:
        DataError: The embeddings have a wrong shape or dtype, or a value that is not finite or beyond 1e12.
        BuildError: There are fewer embeddings than leaves, `bits` is neither 8 nor 4, or 4 without `ScoreAH(1)`. The
            partitioner is unknown, or ScaNN is not installed or failed.
    """
    if partitioner not in PARTITIONERS:
        raise BuildError(f"partitioner must be one of {', '.join(PARTITIONERS)}, found {partitioner!r}")
    check_index_inputs(embeddings, options)
    scorer, codebooks = _rows(embeddings, options, bits, seed)
    index = Index(
        distance=options.distance_measure,
        embeddings=embeddings,
        order=np.arange(len(embeddings), dtype=np.int32),
        block=BLOCK_ROWS,
        budget=1,
        scorer=scorer,
        codebooks=codebooks,
        projection=projection,
        projected=None if projection is None else projection.of_items(embeddings),
        moments=learn_moments(embeddings, queries, options.distance_measure, seed) if queries is not None and scorer in ROUNDED else None,
    )
    if options.tree is None:
        return index.with_share(1.0)
    train = scann_tree if partitioner == "scann" else None
    index = _partitioned(index, options.tree.num_leaves, queries, seed, train)
    return index.with_share(options.tree.num_leaves_to_search / options.tree.num_leaves)


def _rows(embeddings: np.ndarray, options: ScaNNOptions, bits: int, seed: int) -> tuple[str, product_quantisation.Codebooks | None]:
    """The type of the rows, and codebooks for product quantisation."""
    score_ah = options.score_ah
    if bits not in (4, 8) or (bits == 4 and (score_ah is None or score_ah.dimensions_per_block > 1)):
        raise BuildError(f"bits must be 8, or 4 with ScoreAH(1), found {bits}")
    if score_ah is None:
        return "float32", None
    if score_ah.dimensions_per_block > 1:
        return "product", product_quantisation.train_codebooks(embeddings, score_ah, seed)
    return f"int{bits}", None


def _partitioned(index: Index, leaves: int, queries: np.ndarray | None, seed: int, train: Trainer | None) -> Index:
    """The same index with about that many leaves, and groups of leaves if there are many."""
    embeddings, transform = index.scanned, None
    if queries is not None and index.distance == "dot_product" and index.projection is None:
        transform = learn_transform(index.embeddings, queries, seed)
    if transform is None:
        parts = partition(embeddings, leaves, seed, train)
        centroids = parts.centroids
    else:
        parts = partition(TransformedEmbeddings(index.embeddings, transform), leaves, seed, train)
        centroids = np.linalg.solve(transform.T.astype(np.float64), parts.centroids.T).T.astype(np.float32)
    index = replace(index, order=parts.order, block=parts.rows_per_leaf, leaves=centroid_router(centroids, index.distance))
    sizes = parts.leaves_per_group
    if len(sizes) == 1:
        return index
    means = np.add.reduceat(centroids, np.cumsum(sizes) - sizes, axis=0) / sizes[:, None].astype(np.float32)
    return replace(
        index,
        groups=centroid_router(means, index.distance),
        group_of=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        groups_searched=min(len(sizes), math.ceil(GROUPS_SEARCHED * math.sqrt(len(sizes)))),
    )


def with_routing(index: Index, queries: np.ndarray, truth: np.ndarray, seed: int = 0) -> Index:
    """The same index with vectors that score leaves and groups learned from queries, if they are better than the centroids.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32, representative of future queries and not used to measure the index.
        truth: `(q, k)` int: the nearest items of each query by exact search.
        seed: Seeds the training.
    """
    assert index.leaves is not None
    targets, queries = index.leaf_of[truth], index.asked(queries)
    leaves = learn_router(index.leaves, queries, targets, seed)
    groups = index.groups
    if groups is not None and index.group_of is not None:
        groups = learn_router(groups, queries, index.group_of[targets], seed)
    return replace(index, leaves=leaves, groups=groups)
