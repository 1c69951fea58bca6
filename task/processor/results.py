"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NearestNeighbor:
    """One item found.

    Attributes:
        metadata: What was stored with the item, byte for byte; `maker build` stores the image's relative path.
        distance: Negative dot product or squared Euclidean distance; smaller is nearer.
        relevance: The probability that the item is what the query asked for, in [0, 1], by the curve that the builder fitted to
            held-out captions (FORMAT.md, `relevance`); None where the file has no curve for this kind of query.
        id: The item's number: its place among what was indexed, or what `add` returned. `allowed` and `remove` take it.
    """

    metadata: bytes
    distance: float
    relevance: float | None = None
    id: int = -1


@dataclass(frozen=True)
class SearchResult:
    """The items found, nearest first."""

    nearest_neighbors: list[NearestNeighbor]
