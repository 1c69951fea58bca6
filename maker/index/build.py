"""Embeddings in, index out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from maker.errors import BuildError, DataError
from maker.graph.int8 import int8_rows
from maker.index import quantise
from maker.index.options import ScaNNOptions, ScoreAH, Tree
from maker.index.partition import assign_leaves, train_centroids

EXACT_BELOW = 20_000  # ScaNN's guidance: brute force under 20k items (its docs/algorithms.md)
CHUNK = 16  # rows that are picked together; the measurements are in `make bench`
ITEMS_PER_LEAF, MOST_LEAVES = 40, 4096
MOST_OWNERS = 4
BLOCK = 8192  # rows handled at a time: what stays in the cache
NORM_TOLERANCE = 1e-3
LARGEST = 1e12  # squares and sums of such values stay well within float32


@dataclass(frozen=True, kw_only=True)
class Index:
    """Rows in leaf order, cut into chunks of `chunk` rows; a query scans the `budget` chunks whose leaves score best.

    A chunk that lies across borders belongs to each of its leaves (up to four), so that no row is padding but those behind the last.

    Attributes:
        distance: `dot_product` or `squared_l2`.
        embeddings: `(n, d)` float32, as given.
        order: `(n,)` int32: the item in each row.
        centroids: `(leaves, d)` float32, or None where everything is scanned.
        chunk_leaves: `(chunks, m)` int32: the leaves in each chunk, the last repeated where there are fewer than m; None where everything
            is scanned.
        chunk: Rows a chunk.
        budget: Chunks scanned.
        scorer: `int8`, `product` or `float32`.
        codebooks: For `product`.
        trainer: Which k-means made the centroids.
    """

    distance: str
    embeddings: np.ndarray
    order: np.ndarray
    centroids: np.ndarray | None
    chunk_leaves: np.ndarray | None
    chunk: int
    budget: int
    scorer: str
    codebooks: quantise.Codebooks | None
    trainer: str | None

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.order) // self.chunk)

    @property
    def padding(self) -> int:
        """Rows behind the last item."""
        return self.chunks * self.chunk - len(self.order)

    def row_blocks(self) -> Iterator[np.ndarray]:
        """The embeddings in row order, a block at a time."""
        for start in range(0, len(self.order), BLOCK):
            yield np.asarray(self.embeddings[self.order[start : start + BLOCK]], np.float32)

    def stored(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows as the graph will see them, float32, and the step of each; 1 where rows are no int8."""
        if self.codebooks is not None:
            return self.codebooks.decode(self.codebooks.encode(block)), np.ones(len(block), np.float32)
        if self.scorer == "int8":
            codes, scales = int8_rows(block)
            return codes * scales[:, None], scales
        return block, np.ones(len(block), np.float32)

    def with_room_for(self, k: int) -> Index:
        """The same index with a budget of at least k rows, or all of them."""
        return replace(self, budget=min(self.chunks, max(self.budget, -(-k // self.chunk))))

    def with_share(self, share: float) -> Index:
        """The same index with a budget of that share of the chunks."""
        return replace(self, budget=min(self.chunks, max(1, math.ceil(share * self.chunks - 1e-9))))

    def describe(self) -> dict[str, object]:
        """What the manifest says of it."""
        leaves = 0 if self.centroids is None else len(self.centroids)
        return {
            "kind": "exact" if self.centroids is None else "tree",
            "leaves": leaves,
            "trainer": self.trainer,
            "rows": self.scorer,
            "dimensions_per_block": None if self.codebooks is None else int(self.codebooks.entries.shape[2]),
            "chunk": self.chunk,
            "chunks": self.chunks,
            "chunks_scanned": self.budget,
            "share_scanned": round(self.budget / self.chunks, 6),
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


def are_normalized(embeddings: np.ndarray) -> bool:
    """Whether every row has Euclidean norm 1, within 0.001."""
    for start in range(0, len(embeddings), BLOCK):
        norms = np.linalg.norm(np.asarray(embeddings[start : start + BLOCK], np.float32), axis=1)
        if np.abs(norms - 1.0).max() > NORM_TOLERANCE:
            return False
    return True


def default_options(items: int, distance: str = "dot_product") -> ScaNNOptions:
    """What suits a number of items: int8 rows, and from 20,000 on leaves of about 40 items, at most 4,096 of them.

    Finer leaves cost k-means time and a longer list of centroids to score, and save rows to scan.
    """
    tree = None
    if items >= EXACT_BELOW:
        leaves = min(MOST_LEAVES, items // ITEMS_PER_LEAF)
        tree = Tree(leaves, max(1, leaves // 10))
    return ScaNNOptions(distance, tree=tree, score_ah=ScoreAH(1))


def build_index(embeddings: np.ndarray, options: ScaNNOptions, seed: int = 0, trainer: str = "auto") -> Index:
    """Partitions and lays out embeddings; rows are quantised when the file is written.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        options: Distance, partitioning and scorer.
        seed: Of the k-means.
        trainer: `scann`, `own` or `auto`.

    Raises:
        DataError: The embeddings have a wrong shape or type, or a value that is not finite.
        BuildError: There are fewer embeddings than leaves.
    """
    check_embeddings(embeddings)
    if len(embeddings) > np.iinfo(np.int32).max:
        raise BuildError(f"{len(embeddings)} items are more than the graph's int32 ids can number")
    order = np.arange(len(embeddings), dtype=np.int32)
    centroids = chunk_leaves = made_by = None
    share, chunk = 1.0, CHUNK
    if options.tree is not None:
        centroids, made_by = train_centroids(embeddings, options.tree, seed, trainer)
        leaves = assign_leaves(embeddings, centroids)
        order = np.argsort(leaves, kind="stable").astype(np.int32)
        chunk = _chunk_rows(len(order) // options.tree.num_leaves)
        chunk_leaves = _leaves_of_chunks(leaves[order], chunk)
        share = options.tree.num_leaves_to_search / options.tree.num_leaves
    codebooks, scorer = None, "float32"
    if options.score_ah is not None:
        scorer = "int8"
        if options.score_ah.dimensions_per_block > 1:
            scorer, codebooks = "product", quantise.train_codebooks(embeddings, options.score_ah, seed)
    index = Index(
        distance=options.distance_measure,
        embeddings=embeddings,
        order=order,
        centroids=centroids,
        chunk_leaves=chunk_leaves,
        chunk=chunk,
        budget=1,
        scorer=scorer,
        codebooks=codebooks,
        trainer=made_by,
    )
    return index.with_share(share)


def _leaves_of_chunks(by_row: np.ndarray, chunk: int) -> np.ndarray:
    """`(chunks, m)` int32: the first m distinct leaves of each chunk of ascending `by_row`, the last repeated where there are fewer.

    m is that of the chunk with the most, at most `MOST_OWNERS`: each costs a look-up a chunk in every query, and what lies beyond are a
    few rows of leaves much smaller than a chunk.
    """
    padded = np.pad(by_row, (0, -len(by_row) % chunk), mode="edge").reshape(-1, chunk)
    place = np.concatenate([np.zeros((len(padded), 1), np.int64), np.cumsum(padded[:, 1:] != padded[:, :-1], axis=1)], axis=1)
    owners = np.repeat(padded[:, -1:], int(place.max()) + 1, axis=1)
    owners[np.arange(len(padded))[:, None], place] = padded
    return owners[:, :MOST_OWNERS].astype(np.int32)


def _chunk_rows(mean_leaf: int) -> int:
    """Rows a chunk: long runs are gathered faster, but a chunk should be much smaller than a leaf."""
    return 2 * CHUNK if mean_leaf >= 8 * CHUNK else max(1, min(CHUNK, mean_leaf // 2))
