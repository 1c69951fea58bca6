"""Index options with the names of Model Maker."""

from __future__ import annotations

import math
from dataclasses import dataclass

from maker.errors import BuildError

DISTANCES = ("dot_product", "squared_l2")
DEFAULT_K = 50  # results of a query
PARTITIONERS = ("own", "scann")
EXACT_BELOW = 20_000  # fewer items are not partitioned: ScaNN recommends brute force below 20k (its docs/algorithms.md)


@dataclass
class Tree:
    """Partitioning. In graph searchers all leaves have one size; the options of training apply to Task Library files only.

    Attributes:
        num_leaves: Number of leaves. A graph searcher has up to a tenth fewer.
        num_leaves_to_search: Number of leaves that a query searches. A graph searcher scans exactly this share of the items.
        training_sample_size: Number of embeddings for the k-means.
        min_partition_size: Used by ScaNN's trainer; the project's own ignores it.
        training_iterations: Lloyd iterations.
        spherical: Scale centroids to norm 1.
        quantize_centroids: Has no effect, as in Model Maker.
        random_init: Start from random embeddings instead of k-means++.
    """

    num_leaves: int
    num_leaves_to_search: int
    training_sample_size: int = 100000
    min_partition_size: int = 50
    training_iterations: int = 12
    spherical: bool = False
    quantize_centroids: bool = False
    random_init: bool = True

    def __post_init__(self) -> None:
        """Checks the counts.

        Raises:
            BuildError: `num_leaves` is below 1 or `num_leaves_to_search` not within `[1, num_leaves]`.
        """
        if self.num_leaves < 1:
            raise BuildError(f"Tree.num_leaves must be at least 1, found {self.num_leaves}")
        if not 1 <= self.num_leaves_to_search <= self.num_leaves:
            raise BuildError(f"Tree.num_leaves_to_search must be within [1, {self.num_leaves}], found {self.num_leaves_to_search}")


@dataclass
class ScoreAH:
    """Quantised rows.

    Attributes:
        dimensions_per_block: 1 stores one byte for each dimension: int8 with one scale for each row. 2 or more store one byte for each
            block of so many dimensions: the nearest of at most 256 codebook entries (product quantisation; Jégou et al., TPAMI 2011).
        anisotropic_quantization_threshold: Accepted as in Model Maker, but not used: rows are rounded by what queries ask for, if some are
            known, else to the nearest (`maker.index.rounding`).
        training_sample_size: Number of embeddings for learning the codebooks.
        training_iterations: Lloyd iterations of the codebooks.
    """

    dimensions_per_block: int
    anisotropic_quantization_threshold: float = math.nan
    training_sample_size: int = 100000
    training_iterations: int = 10

    def __post_init__(self) -> None:
        """Checks the block size.

        Raises:
            BuildError: `dimensions_per_block` is below 1.
        """
        if self.dimensions_per_block < 1:
            raise BuildError(f"ScoreAH.dimensions_per_block must be at least 1, found {self.dimensions_per_block}")


@dataclass
class ScoreBruteForce:
    """Rows that are not quantised: float32."""


@dataclass
class ScaNNOptions:
    """How an index is built.

    Attributes:
        distance_measure: `dot_product` or `squared_l2`.
        tree: Partitioning. None scans all items.
        score_ah: Quantised rows.
        score_brute_force: float32 rows.
    """

    distance_measure: str
    tree: Tree | None = None
    score_ah: ScoreAH | None = None
    score_brute_force: ScoreBruteForce | None = None

    def __post_init__(self) -> None:
        """Checks the combination.

        Raises:
            BuildError: The distance is unknown, or not exactly one scorer is given.
        """
        if self.distance_measure not in DISTANCES:
            raise BuildError(f"distance_measure must be one of {', '.join(DISTANCES)}, found {self.distance_measure!r}")
        if (self.score_ah is None) == (self.score_brute_force is None):
            raise BuildError("Exactly 1 of score_ah or score_brute_force must be set")
