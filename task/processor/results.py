"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NearestNeighbor:
    """One item found.

    Attributes:
        metadata: What was stored with the item, byte for byte; `maker build` stores the image's relative path.
        distance: Negative dot product or squared Euclidean distance; smaller is nearer.
    """

    metadata: bytes
    distance: float


@dataclass(frozen=True)
class SearchResult:
    """The items found, nearest first."""

    nearest_neighbors: list[NearestNeighbor]
