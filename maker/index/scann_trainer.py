"""Trains a ScaNN k-means tree and saves its centroids.

Runs as a separate program, because scann imports TensorFlow if it is installed. ScaNN takes a thread for each core, and its k-means has no
seed: two runs differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from maker.workspace import temporary_folder


def main(source: str, target: str, num_leaves: int, iterations: int, min_partition_size: int, spherical: int) -> None:
    """Reads the sample `(n, d)` from `source` and writes the centroids `(num_leaves, d)` float32 to `target`; both are `.npy` files."""
    sys.modules["tensorflow"] = None  # type: ignore[assignment]  # scann also works without it, and starts 4 s sooner
    from scann.partitioning import partitioner_pb2
    from scann.scann_ops.py import scann_ops_pybind

    sample = np.load(source)
    builder = scann_ops_pybind.builder(sample, 10, "squared_l2").tree(
        num_leaves=num_leaves,
        num_leaves_to_search=1,
        training_sample_size=len(sample),
        # A larger bound would merge leaves that are well below the mean size, which are wanted.
        min_partition_size=min(min_partition_size, max(1, len(sample) // (8 * num_leaves))),
        training_iterations=iterations,
        spherical=bool(spherical),
    )
    searcher = builder.score_brute_force().build()
    with temporary_folder() as folder:
        searcher.serialize(str(folder))
        partitioner = partitioner_pb2.SerializedPartitioner()
        partitioner.ParseFromString(Path(folder, "serialized_partitioner.pb").read_bytes())
    centroids = partitioner.kmeans.kmeans_tree.root.centers
    np.save(target, np.array([list(c.dimension) for c in centroids], np.float32))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
