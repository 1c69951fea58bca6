"""The on-device ScaNN index: chooses leaves, scores their rows and keeps the nearest, as the Task Library does."""

from __future__ import annotations

import math
import threading
from functools import cached_property
from mmap import mmap
from typing import NamedTuple

import numpy as np

from ..errors import DamagedFileError, InvalidArgumentError
from ..processor.results import NearestNeighbor, SearchResult
from ..search.nearest import nearest
from ..search.products import products
from ..search.request import SearchRequest
from .hashing import Codebooks
from .scann_file import ScannFile, ScannFileError
from .scann_messages import DistanceMeasure, EmbeddingType, PartitionerProto
from .sstable import SSTableError

CACHE_BYTES = 1 << 26  # of decoded leaves
DISTANCES = (DistanceMeasure.SQUARED_L2_DISTANCE, DistanceMeasure.DOT_PRODUCT)


class _Leaf(NamedTuple):
    """The rows of a leaf: their numbers in the index, the rows, and their squared norms if distances need them."""

    numbers: np.ndarray
    rows: np.ndarray
    norms: np.ndarray


class ScannIndex:
    """An index, read in place; thread-safe.

    Attributes:
        dimension: Dimension of queries.
        num_leaves: Number of partitions.
    """

    def __init__(self, name: str, content: bytes | mmap, offset: int = 0, size: int | None = None) -> None:
        """Opens an index. Rows are read when a query needs them.

        Args:
            name: Name of the file in errors.
            content: The file that contains the index.
            offset: Offset of the index in bytes.
            size: Size of the index in bytes; None for the rest of `content`.

        Raises:
            DamagedFileError: The content is not an index, or its parts contradict each other.
        """
        self._name = name
        self._leaves: dict[int, _Leaf] = {}  # a cache, the oldest first, which is dropped first; read without the lock
        self._leaves_bytes = 0
        self._lock = threading.Lock()
        try:
            self._file = ScannFile(content, offset, size)
        except SSTableError as error:
            raise DamagedFileError(f"{name}: Unable to open levelDB table: Corruption: {error}") from error
        except ScannFileError as error:
            raise DamagedFileError(f"{name}: {error}.") from error
        try:
            self._configure()
        except DamagedFileError:
            self.close()
            raise

    def _configure(self) -> None:
        config = self._file.config
        scann = config.scann_config
        self.num_leaves = self._file.partitions
        self._offsets = config.global_partition_offsets
        self._codebooks: Codebooks | None = None
        self._distance = scann.query_distance
        if config.embedding_type is EmbeddingType.FLOAT:
            if scann.has_indexer:
                raise self._damaged("rows stored as floats must have no indexer")
            self.dimension = config.embedding_dim
        elif config.embedding_type is EmbeddingType.UINT8:
            if scann.asymmetric_hashing is None:
                raise self._damaged("rows stored as codes must have an indexer with asymmetric hashing")
            try:
                self._codebooks = Codebooks(scann.asymmetric_hashing)
            except ValueError as error:
                raise self._damaged(str(error)) from error
            self._distance = self._codebooks.distance
            self.dimension = self._codebooks.dimension
            if self._codebooks.subspaces != config.embedding_dim:
                raise self._damaged(f"rows have {config.embedding_dim} codes for {self._codebooks.subspaces} codebooks")
        else:
            raise self._damaged("the embedding type is UNSPECIFIED")
        if self._distance not in DISTANCES:
            raise self._damaged("the query distance is UNSPECIFIED")
        if self.dimension == 0 or self.num_leaves == 0 or sorted(self._offsets) != self._offsets:
            raise self._damaged(f"it has {self.dimension} dimensions and {self.num_leaves} partitions, or offsets that do not ascend")
        self._centroids: np.ndarray | None = None
        self._searched = 1
        if scann.partitioner is not None:
            self._configure_leaves(scann.partitioner)

    def _configure_leaves(self, partitioner: PartitionerProto) -> None:
        lengths = {len(leaf) for leaf in partitioner.leaf}
        if len(partitioner.leaf) != self.num_leaves or lengths != {self.dimension}:
            raise self._damaged(
                f"it has {len(partitioner.leaf)} centroids of {sorted(lengths)} dimensions, expected {self.num_leaves} of {self.dimension}"
            )
        distance = partitioner.query_distance
        self._leaf_distance = DistanceMeasure.SQUARED_L2_DISTANCE if distance is None else distance
        if self._leaf_distance not in DISTANCES:
            raise self._damaged("the partitioner's query distance is UNSPECIFIED")
        self._centroids = np.stack(partitioner.leaf)
        self._centroid_norms = np.einsum("ij,ij->i", self._centroids, self._centroids)
        fraction = np.float32(1.0 if partitioner.search_fraction is None else partitioner.search_fraction)
        wanted = np.float32(self.num_leaves) * fraction
        if not wanted >= 0:
            raise self._damaged(f"the search fraction is {fraction}")
        self._searched = self.num_leaves if wanted >= self.num_leaves else math.ceil(wanted)

    @property
    def distance(self) -> str:
        """The distance: `dot_product`, which is negated, or `squared_l2`."""
        return "dot_product" if self._distance is DistanceMeasure.DOT_PRODUCT else "squared_l2"

    @property
    def user_info(self) -> str:
        """The text of the builder. Bytes that are not UTF-8 are surrogates."""
        try:
            return self._file.user_info().decode("utf-8", "surrogateescape")
        except SSTableError as error:
            raise self._damaged(str(error)) from error

    @cached_property
    def rows(self) -> int:
        """The number of rows in all partitions."""
        try:
            return self._offsets[-1] + len(self._file.partition(self.num_leaves - 1))
        except (SSTableError, ScannFileError) as error:
            raise self._damaged(str(error)) from error

    def metadata(self, row: int) -> bytes:
        """The metadata of a row.

        Raises:
            DamagedFileError: The row does not exist, or its block is damaged.
        """
        try:
            return self._file.metadata(row)
        except (SSTableError, ScannFileError) as error:
            raise self._damaged(str(error)) from error

    def search(self, query: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the rows nearest to a query.

        Args:
            query: `(d,)` float32.
            request: The request; ids are row numbers. If `num_leaves` exceeds the number of leaves, all are searched.

        Returns:
            Neighbours by ascending distance, ties by row; rows whose distance is not a number are left out.

        Raises:
            InvalidArgumentError: The query has another dimension, or `request.num_leaves` is below 1.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        if query.shape != (self.dimension,):
            raise InvalidArgumentError(f"{self._name}: the query has {query.size} dimensions, the index {self.dimension}.")
        allowed, num_leaves = request.allowed, request.num_leaves
        if num_leaves is not None and num_leaves < 1:
            raise InvalidArgumentError(f"num_leaves_to_search must be > 0, found {num_leaves}.")
        try:
            if allowed is None:
                rows, distances = self._score(query, self._choose(query, num_leaves))
            else:
                rows, distances = allowed, self._score_rows(query, allowed)
            best = nearest(rows, distances, request.max_results)
            return SearchResult([NearestNeighbor(self._file.metadata(int(rows[i])), float(distances[i]), id=int(rows[i])) for i in best])
        except (SSTableError, ScannFileError, ValueError) as error:
            raise self._damaged(str(error)) from error

    def close(self) -> None:
        """Releases the content."""
        with self._lock:
            self._leaves.clear()
            self._leaves_bytes = 0
        self._file.close()

    def _choose(self, query: np.ndarray, num_leaves: int | None) -> np.ndarray:
        """The leaves to search, the nearest first."""
        count = self._searched if num_leaves is None else min(num_leaves, self.num_leaves)
        if self._centroids is None or count == 0:
            return np.arange(min(count, 1))
        scores = -products(self._centroids, query)
        if self._leaf_distance is DistanceMeasure.SQUARED_L2_DISTANCE:
            scores = self._centroid_norms + 2 * scores
        return np.argsort(scores, kind="stable")[:count]

    def _score(self, query: np.ndarray, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The number and the distance of each row of leaves."""
        chosen = [self._leaf(leaf) for leaf in leaves.tolist()]
        if not chosen:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        # Few calls with many rows each: other threads run only during a NumPy call, and each call waits for the lock at its end.
        numbers, stored = (np.concatenate([getattr(leaf, part) for leaf in chosen]) for part in ("numbers", "rows"))
        norms = np.concatenate([leaf.norms for leaf in chosen]) if self._needs_norms else None
        return numbers, self._distances(query, stored, norms)

    def _score_rows(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The distances of rows in any leaves, given by ascending numbers."""
        offsets = np.array(self._offsets)
        leaves = np.searchsorted(offsets, rows, side="right") - 1
        distances = [np.empty(0, np.float32)]
        for number in np.unique(leaves).tolist():
            picked, leaf = rows[leaves == number] - offsets[number], self._leaf(number)
            distances.append(self._distances(query, leaf.rows[picked], leaf.norms[picked] if self._needs_norms else None))
        return np.concatenate(distances)

    def _leaf(self, number: int) -> _Leaf:
        """The rows of a leaf, cached. It raises the errors of `ScannFile.partition`."""
        known = self._leaves.get(number)
        if known is not None:
            return known
        # Rows in the file are usually not aligned.
        rows = np.require(self._file.partition(number), requirements="A")
        norms = np.einsum("ij,ij->i", rows, rows) if self._needs_norms else np.empty(0, np.float32)
        leaf = _Leaf(np.arange(self._offsets[number], self._offsets[number] + len(rows)), rows, norms)
        with self._lock:
            if number not in self._leaves:
                self._leaves[number] = leaf
                self._leaves_bytes += rows.nbytes
            while self._leaves_bytes > CACHE_BYTES and len(self._leaves) > 1:
                self._leaves_bytes -= self._leaves.pop(next(iter(self._leaves))).rows.nbytes
        return leaf

    @property
    def _needs_norms(self) -> bool:
        return self._codebooks is None and self._distance is DistanceMeasure.SQUARED_L2_DISTANCE

    def _distances(self, query: np.ndarray, rows: np.ndarray, norms: np.ndarray | None) -> np.ndarray:
        if self._codebooks is not None:
            return self._codebooks.table(query).distances(rows)
        dots = products(rows, query)
        return -dots if norms is None else np.float32(query @ query) + norms - 2 * dots

    def _damaged(self, problem: str) -> DamagedFileError:
        return DamagedFileError(f"{self._name}: the index is damaged: {problem}.")
