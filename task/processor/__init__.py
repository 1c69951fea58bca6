"""Options and results that tasks share."""

from .embeddings import Embedding, EmbeddingResult, FeatureVector
from .moments import FoundMoment, found_moments
from .options import BoundingBox, EmbeddingOptions, SearchOptions
from .results import NearestNeighbor, SearchResult

__all__ = [
    "BoundingBox",
    "Embedding",
    "EmbeddingOptions",
    "EmbeddingResult",
    "FeatureVector",
    "FoundMoment",
    "NearestNeighbor",
    "SearchOptions",
    "SearchResult",
    "found_moments",
]
