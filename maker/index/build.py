"""Embeddings in, index out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from maker.errors import BuildError, DataError
from maker.index import quantise
from maker.index.balanced import partition
from maker.index.metric import Stretched, stretch_between
from maker.index.options import EXACT_BELOW, ScaNNOptions, ScoreAH, Tree
from maker.index.routing import Router, centroid_router, learn_router
from task.format.manifest import NORM_TOLERANCE

BLOCK_ROWS = 16  # rows that are picked together where nothing is partitioned
ITEMS_PER_LEAF, MANY = 36, 2_000_000  # beyond MANY items, leaves are twice as large
GROUPS_SEARCHED = 3  # in square roots of their number; tuning adds more where they are wanted
BLOCK = 8192  # rows handled at a time: what stays in the cache
LARGEST = 1e12  # squares and sums of such values stay well within float32


@dataclass(frozen=True, kw_only=True)
class Index:
    """Rows in blocks of one size. A partitioned index has a leaf a block, and a query scans the `budget` leaves that score best.

    Attributes:
        distance: `dot_product` or `squared_l2`.
        embeddings: `(n, d)` float32, as given.
        order: `(n,)` int32: the item in each row.
        block: Rows a leaf, or a block where everything is scanned; rows behind the last item are padding.
        leaves: What scores leaves; None where everything is scanned.
        groups: What scores groups of leaves; None where all leaves are scored.
        group_of: `(leaves,)` int32: the group of each leaf, ascending; None without groups.
        searched: Groups whose leaves are scored.
        budget: Leaves or blocks scanned.
        scorer: `int8`, `int4`, `product` or `float32`.
        codebooks: For `product`.
        rescorer: `int8` or `float32`: rows that are kept beside the others, by which the best are scored again; None for none.
    """

    distance: str
    embeddings: np.ndarray
    order: np.ndarray
    block: int
    leaves: Router | None = None
    groups: Router | None = None
    group_of: np.ndarray | None = None
    searched: int = 1
    budget: int
    scorer: str
    codebooks: quantise.Codebooks | None = None
    rescorer: str | None = None

    @property
    def blocks(self) -> int:
        """Number of leaves, or of blocks where everything is scanned."""
        return -(-len(self.order) // self.block)

    @property
    def padding(self) -> int:
        """Rows behind the last item."""
        return self.blocks * self.block - len(self.order)

    @property
    def leaf_of(self) -> np.ndarray:
        """`(n,)` int32: the leaf of each item."""
        leaf = np.empty(len(self.order), np.int32)
        leaf[self.order] = np.arange(len(self.order)) // self.block
        return leaf

    def row_blocks(self) -> Iterator[np.ndarray]:
        """The embeddings in row order, some thousand at a time."""
        for start in range(0, len(self.order), BLOCK):
            yield np.asarray(self.embeddings[self.order[start : start + BLOCK]], np.float32)

    def with_room_for(self, k: int) -> Index:
        """The same index with a budget of at least k rows, or all of them."""
        return self.with_budget(max(self.budget, -(-k // self.block)))

    def with_share(self, share: float) -> Index:
        """The same index with a budget of that share of the leaves."""
        return self.with_budget(math.ceil(share * self.blocks - 1e-9))

    def with_budget(self, budget: int) -> Index:
        """The same index with that many leaves to scan; groups are added where those searched have not as many."""
        budget = min(self.blocks, max(1, budget))
        if self.groups is None or self.group_of is None:
            return replace(self, budget=budget)
        # Even the smallest groups have to have as many leaves together.
        smallest = np.cumsum(np.sort(np.bincount(self.group_of)))
        return replace(self, budget=budget, searched=max(self.searched, 1 + int(np.searchsorted(smallest, budget))))

    def describe(self) -> dict[str, object]:
        """What the manifest says of it."""
        return {
            "kind": "exact" if self.leaves is None else "tree",
            "leaves": 0 if self.leaves is None else self.blocks,
            "groups": 0 if self.groups is None else len(self.groups.vectors),
            "groups_searched": 0 if self.groups is None else self.searched,
            "routing_queries": 0 if self.leaves is None else self.leaves.learned,
            "rows": self.scorer,
            "rescored_by": self.rescorer,
            "dimensions_per_block": None if self.codebooks is None else int(self.codebooks.entries.shape[2]),
            "block": self.block,
            "blocks_scanned": self.budget,
            "share_scanned": round(self.budget / self.blocks, 6),
        }


def check_embeddings(embeddings: np.ndarray, name: str = "embeddings") -> None:
    """Looks at every value once.

    Raises:
        DataError: The array is not two-dimensional, empty, not floating, or has a value that is not finite.
    """
    if embeddings.ndim != 2 or 0 in embeddings.shape:
        raise DataError(f"{name}: shape {embeddings.shape}, expected (items, dimensions) with at least one of each")
    if embeddings.dtype.kind != "f":
        raise DataError(f"{name}: dtype {embeddings.dtype}, expected float32")
    for start in range(0, len(embeddings), BLOCK):
        block = embeddings[start : start + BLOCK]
        for bad, what in ((~np.isfinite(block).all(1), "that is not finite"), ((np.abs(block) > LARGEST).any(1), f"beyond {LARGEST:.0e}")):
            if bad.any():
                raise DataError(f"{name}: row {start + int(bad.argmax())} has a value {what}; remove the row or embed it again")


def check_index_inputs(embeddings: np.ndarray, options: ScaNNOptions) -> None:
    """Looks at what has to agree before anything is built; raises as `check_embeddings` and `build_index` do."""
    check_embeddings(embeddings)
    if len(embeddings) > np.iinfo(np.int32).max:
        raise BuildError(f"{len(embeddings)} items are more than the graph's int32 ids can number")
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
    """What suits a number of items: int8 rows, and from `EXACT_BELOW` on leaves of about 36 items.

    Finer leaves cost more vectors to score, and save rows to scan.
    """
    tree = None
    if items >= EXACT_BELOW:
        leaves = items // (ITEMS_PER_LEAF if items <= MANY else 2 * ITEMS_PER_LEAF)
        tree = Tree(leaves, max(1, leaves // 20))
    return ScaNNOptions(distance, tree=tree, score_ah=ScoreAH(1))


def build_index(embeddings: np.ndarray, options: ScaNNOptions, seed: int = 0, bits: int = 8, queries: np.ndarray | None = None) -> Index:
    """Partitions embeddings; rows are quantised when the file is written.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        options: Distance, partitioning and scorer. The number of leaves is met within 10 %: all have the same number of rows.
        seed: Of the partitioning.
        bits: 8 or 4 a dimension, for `ScoreAH(1)`.
        queries: `(q, d)` float32, of the kind that will be asked, others than it will be measured with; what they are like decides how
            dot products are partitioned.

    Raises:
        DataError: The embeddings have a wrong shape or type, or a value that is not finite.
        BuildError: There are fewer embeddings than leaves, or 4 bits are asked of another scorer.
    """
    check_index_inputs(embeddings, options)
    codebooks, scorer = None, "float32"
    if options.score_ah is not None:
        scorer = "int8" if bits == 8 else "int4"
        if options.score_ah.dimensions_per_block > 1:
            scorer, codebooks = "product", quantise.train_codebooks(embeddings, options.score_ah, seed)
    if bits not in (4, 8) or (bits == 4 and scorer != "int4"):
        raise BuildError(f"bits must be 8, or 4 with ScoreAH(1), found {bits}")
    index = Index(
        distance=options.distance_measure,
        embeddings=embeddings,
        order=np.arange(len(embeddings), dtype=np.int32),
        block=BLOCK_ROWS,
        budget=1,
        scorer=scorer,
        codebooks=codebooks,
    )
    if options.tree is None:
        return index.with_share(1.0)
    stretch = None
    if queries is not None and options.distance_measure == "dot_product":
        stretch = stretch_between(embeddings, queries, seed)
    cut = partition(embeddings if stretch is None else Stretched(embeddings, stretch), options.tree.num_leaves, seed)
    centroids = cut.centroids if stretch is None else np.linalg.solve(stretch.T.astype(np.float64), cut.centroids.T).T.astype(np.float32)
    groups = group_of = None
    searched = 1
    if len(cut.groups) > 1:
        group_of = np.repeat(np.arange(len(cut.groups), dtype=np.int32), cut.groups)
        sums = np.add.reduceat(centroids, np.cumsum(cut.groups) - cut.groups, axis=0)
        groups = centroid_router(sums / cut.groups[:, None].astype(np.float32), options.distance_measure)
        searched = min(len(cut.groups), math.ceil(GROUPS_SEARCHED * math.sqrt(len(cut.groups))))
    index = replace(
        index,
        order=cut.order,
        block=cut.rows,
        leaves=centroid_router(centroids, options.distance_measure),
        groups=groups,
        group_of=group_of,
        searched=searched,
    )
    return index.with_share(options.tree.num_leaves_to_search / options.tree.num_leaves)


def with_routing(index: Index, queries: np.ndarray, truth: np.ndarray, seed: int = 0) -> Index:
    """The same index with vectors for its leaves and groups learned from queries, where that helps.

    Args:
        index: A partitioned index.
        queries: `(q, d)` float32, of the kind that will be asked, others than those it will be measured with.
        truth: `(q, k)` the items nearest to each by exact search.
        seed: Of the training.
    """
    assert index.leaves is not None
    targets = index.leaf_of[truth]
    leaves = learn_router(index.leaves, queries, targets, seed)
    groups = index.groups
    if groups is not None and index.group_of is not None:
        groups = learn_router(groups, queries, index.group_of[targets], seed)
    return replace(index, leaves=leaves, groups=groups)
