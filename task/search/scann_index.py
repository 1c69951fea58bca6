"""The on-device ScaNN index: chooses leaves, scores their rows and keeps the nearest, as the Task Library does."""

from __future__ import annotations

import math
from mmap import mmap

import numpy as np

from ..errors import DamagedFileError, InvalidArgumentError
from ..format.scann_file import ScannFile, ScannFileError
from ..format.scann_messages import DistanceMeasure, EmbeddingType, PartitionerProto
from ..format.sstable import SSTableError
from ..processor.results import NearestNeighbor, SearchResult
from .hashing import Codebooks

ROWS_AT_ONCE = 4096  # rows in a file are seldom aligned; aligning them piece by piece stays in the cache
DISTANCES = (DistanceMeasure.SQUARED_L2_DISTANCE, DistanceMeasure.DOT_PRODUCT)


class ScannIndex:
    """An index, read in place; safe to use from several threads.

    Attributes:
        dimension: Length of a query.
        num_leaves: How many partitions there are.
    """

    def __init__(self, name: str, content: bytes | mmap, offset: int = 0, size: int | None = None) -> None:
        """Opens an index; rows are read when a query asks for them.

        Args:
            name: What error messages call the file.
            content: What holds the index.
            offset: Where it starts.
            size: Its bytes; to the end of `content` where None.

        Raises:
            DamagedFileError: It is no index, or its parts contradict each other.
        """
        self._name = name
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
    def user_info(self) -> str:
        """The builder's own text; bytes that are no UTF-8 are surrogates."""
        try:
            return self._file.user_info().decode("utf-8", "surrogateescape")
        except SSTableError as error:
            raise self._damaged(str(error)) from error

    @property
    def rows(self) -> int:
        """How many there are, in all partitions."""
        try:
            return self._offsets[-1] + len(self._file.partition(self.num_leaves - 1))
        except (SSTableError, ScannFileError) as error:
            raise self._damaged(str(error)) from error

    def metadata(self, row: int) -> bytes:
        """What was stored with a row.

        Raises:
            DamagedFileError: There is no such row, or its block is damaged.
        """
        try:
            return self._file.metadata(row)
        except (SSTableError, ScannFileError) as error:
            raise self._damaged(str(error)) from error

    def search(self, query: np.ndarray, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the rows nearest to a query.

        Args:
            query: `(d,)` float32.
            max_results: How many at most.
            num_leaves: Leaves to look into; as many as the index was built for where None, all where there are fewer.

        Returns:
            Neighbours by ascending distance, ties by row; rows whose distance is not a number are left out.

        Raises:
            InvalidArgumentError: The query has another length, or `num_leaves` is below 1.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        if query.shape != (self.dimension,):
            raise InvalidArgumentError(f"{self._name}: the query has {query.size} dimensions, the index {self.dimension}.")
        if num_leaves is not None and num_leaves < 1:
            raise InvalidArgumentError(f"num_leaves_to_search must be > 0, found {num_leaves}.")
        try:
            rows, distances = self._score(query, self._choose(query, num_leaves))
            nearest = _nearest(rows, distances, max_results)
            return SearchResult([NearestNeighbor(self._file.metadata(int(rows[i])), float(distances[i])) for i in nearest])
        except (SSTableError, ScannFileError, ValueError) as error:
            raise self._damaged(str(error)) from error

    def close(self) -> None:
        """Lets go of the content."""
        self._file.close()

    def _choose(self, query: np.ndarray, num_leaves: int | None) -> np.ndarray:
        """The leaves to look into, nearest first."""
        count = self._searched if num_leaves is None else min(num_leaves, self.num_leaves)
        if self._centroids is None or count == 0:
            return np.arange(min(count, 1))
        scores = -(self._centroids @ query)
        if self._leaf_distance is DistanceMeasure.SQUARED_L2_DISTANCE:
            scores = self._centroid_norms + 2 * scores
        return np.argsort(scores, kind="stable")[:count]

    def _score(self, query: np.ndarray, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number and distance of each row of some leaves."""
        table = None if self._codebooks is None else self._codebooks.table(query)
        rows, distances = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for leaf in leaves.tolist():
            stored = self._file.partition(leaf)
            rows.append(np.arange(self._offsets[leaf], self._offsets[leaf] + len(stored)))
            for start in range(0, len(stored), ROWS_AT_ONCE):
                piece = stored[start : start + ROWS_AT_ONCE]
                distances.append(table.distances(piece) if table is not None else self._exact(query, np.require(piece, requirements="A")))
        return np.concatenate(rows), np.concatenate(distances)

    def _exact(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        products = rows @ query
        if self._distance is DistanceMeasure.DOT_PRODUCT:
            return -products
        return np.float32(query @ query) + np.einsum("ij,ij->i", rows, rows) - 2 * products

    def _damaged(self, problem: str) -> DamagedFileError:
        return DamagedFileError(f"{self._name}: the index is damaged: {problem}.")


def _nearest(rows: np.ndarray, distances: np.ndarray, count: int) -> np.ndarray:
    """Positions of the smallest distances, ascending, ties by row; those that are no number are left out."""
    if len(distances) > count:
        limit = np.partition(distances, count - 1)[count - 1]  # NaN sorts last
        candidates = np.flatnonzero(~(distances > limit) & ~np.isnan(distances))
    else:
        candidates = np.flatnonzero(~np.isnan(distances))
    order = np.lexsort((rows[candidates], distances[candidates]))
    return candidates[order[:count]]
