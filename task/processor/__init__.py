"""Options and results that tasks share."""

from .options import BoundingBox, EmbeddingOptions, SearchOptions
from .results import NearestNeighbor, SearchResult

__all__ = ["BoundingBox", "EmbeddingOptions", "NearestNeighbor", "SearchOptions", "SearchResult"]
