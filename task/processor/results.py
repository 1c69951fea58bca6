"""Results of searches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, init=False)
class NearestNeighbor:
    """An item in the result of a search.

    Attributes:
        metadata: The metadata of the item, as stored. `maker build` stores the relative path of the image.
        distance: Negative dot product or squared Euclidean distance; smaller is nearer.
        relevance: The probability that the item matches the query, in [0, 1], by the curve that the builder fitted to held-out captions
            (docs/format.md, `relevance`); None if the file has no curve for this kind of query.
        id: The number of the item: its position among the indexed items, or the id that `add` returned. `allowed` and `remove` take it.
    """

    metadata: bytes
    distance: float
    relevance: float | None = None
    id: int = -1

    def __init__(self, metadata: bytes, distance: float, relevance: float | None = None, id: int = -1) -> None:
        """Sets the attributes."""
        # The `__init__` of a frozen dataclass takes more than twice as long, and each search makes several neighbours.
        attributes = self.__dict__
        attributes["metadata"], attributes["distance"], attributes["relevance"], attributes["id"] = metadata, distance, relevance, id


@dataclass(frozen=True)
class SearchResult:
    """The neighbours of a query.

    Attributes:
        nearest_neighbors: The nearest first.
        found: How surely the items show what a sentence asks for, in [0, 1]: the probability if it were as likely before the search as not.
            None if the file cannot say it, and for other queries.
    """

    nearest_neighbors: list[NearestNeighbor]
    found: float | None = None
