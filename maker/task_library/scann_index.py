"""Makes on-device ScaNN indexes for the Task Library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.errors import BuildError
from maker.index import product_quantisation
from maker.index.kmeans import assign_leaves, train_centroids
from maker.index.options import ScaNNOptions, ScoreAH
from maker.task_library import scalar_codebooks
from maker.workspace import atomic
from task.task_library import scann_file, snappy
from task.task_library.scann_messages import (
    AsymmetricHashingProto,
    DistanceMeasure,
    EmbeddingType,
    IndexConfig,
    LookupType,
    PartitionerProto,
    ScannOnDeviceConfig,
)

DISTANCES = {"dot_product": DistanceMeasure.DOT_PRODUCT, "squared_l2": DistanceMeasure.SQUARED_L2_DISTANCE}


@dataclass(frozen=True, kw_only=True)
class ScannContent:
    """An index without metadata.

    Attributes:
        config: How to search the index.
        partitions: The rows of each leaf, float32 embeddings or uint8 codes.
        order: The item in each row, over all partitions.
        dimension: Dimension of queries.
    """

    config: IndexConfig
    partitions: list[np.ndarray]
    order: np.ndarray
    dimension: int


def scann_content(embeddings: np.ndarray, options: ScaNNOptions, seed: int = 0, trainer: str = "auto") -> ScannContent:
    """Indexes embeddings for the Task Library. Its leaves have the sizes that k-means gives, unlike those of graph searchers.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        options: Distance, partitioning and scorer.
        seed: Seed of k-means and of the samples for codebooks.
        trainer: Implementation of k-means: `scann`, `own`, or `auto` for ScaNN if it is installed.

    Raises:
        BuildError: There are fewer embeddings than leaves, or ScaNN was asked for and failed.
    """
    distance = DISTANCES[options.distance_measure]
    hashing = None
    if options.score_ah is None:
        rows = np.ascontiguousarray(embeddings, "<f4")
    else:
        books, rows = _quantised(embeddings, options.score_ah, seed)
        hashing = AsymmetricHashingProto(subspace=books, query_distance=distance, lookup_type=LookupType.INT8)
    leaves = partitioner = None
    if options.tree is not None:
        centroids, _ = train_centroids(embeddings, options.tree, seed, trainer)
        leaves = assign_leaves(embeddings, centroids)
        fraction = search_fraction(options.tree.num_leaves_to_search, len(centroids))
        partitioner = PartitionerProto(leaf=list(centroids), search_fraction=fraction, query_distance=distance)
    return laid_out(rows, leaves, partitioner, hashing, distance, embeddings.shape[1])


def laid_out(
    rows: np.ndarray,
    leaves: np.ndarray | None,
    partitioner: PartitionerProto | None,
    hashing: AsymmetricHashingProto | None,
    distance: DistanceMeasure,
    dimension: int,
) -> ScannContent:
    """Sorts rows into partitions.

    Args:
        rows: Float32 embeddings, or uint8 codes with `hashing`.
        leaves: The leaf of each row; None for one partition.
        partitioner: The centroids of the leaves; None for one partition.
        hashing: The codebooks.
        distance: The distance of a row from a query.
        dimension: Dimension of queries.
    """
    order = np.arange(len(rows))
    partitions = [rows]
    if leaves is not None and partitioner is not None:
        order = np.argsort(leaves, kind="stable")
        ends = np.cumsum(np.bincount(leaves, minlength=len(partitioner.leaf)))
        partitions = np.split(rows[order], ends[:-1])
    config = IndexConfig(
        scann_config=ScannOnDeviceConfig(query_distance=distance, asymmetric_hashing=hashing, partitioner=partitioner),
        embedding_type=EmbeddingType.FLOAT if hashing is None else EmbeddingType.UINT8,
    )
    return ScannContent(config=config, partitions=partitions, order=order, dimension=dimension)


def write_index(path: Path, content: ScannContent, metadata: Sequence[bytes], user_info: str = "", compression: bool = True) -> None:
    """Writes the index file. An existing one is replaced.

    Args:
        path: The file to write.
        content: The index.
        metadata: One entry per item.
        user_info: The text of the builder.
        compression: Compress with Snappy.

    Raises:
        BuildError: Metadata and items differ in number.
    """
    if len(metadata) != len(content.order):
        raise BuildError(f"{path}: {len(metadata)} metadata for {len(content.order)} items; expected one per item")
    ordered = [metadata[i] for i in content.order.tolist()]
    with atomic(path) as temporary, open(temporary, "wb") as file:
        compress = snappy.compress if compression else None
        scann_file.encode(file, content.config, content.partitions, ordered, user_info.encode(), compress)


def search_fraction(searched: int, leaves: int) -> float:
    """The float32 share for which the Task Library searches exactly `searched` leaves; with the plain quotient it may search one more."""
    fraction = np.float32(searched) / np.float32(leaves)
    while np.ceil(np.float32(leaves) * fraction) > searched:
        fraction = np.nextafter(fraction, np.float32(0))
    return float(fraction)


def _quantised(embeddings: np.ndarray, score: ScoreAH, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Codebooks of 256 entries, and the codes of the rows. The last block may have fewer dimensions."""
    if score.dimensions_per_block == 1:
        books = scalar_codebooks.train(embeddings, score, seed)
        return books, scalar_codebooks.encode(embeddings, books)
    codebooks = product_quantisation.train_codebooks(embeddings, score, seed)
    width = codebooks.entries.shape[2]
    padded = np.pad(codebooks.entries, ((0, 0), (0, product_quantisation.ENTRIES - codebooks.entries.shape[1]), (0, 0)), "edge")
    books = [np.ascontiguousarray(book[:, : embeddings.shape[1] - b * width]) for b, book in enumerate(padded)]
    return books, codebooks.encode(np.asarray(embeddings, np.float32))
