"""Search by a sentence."""

from ..search.query import Query
from .text_embedder import TextEmbedder, TextEmbedderOptions
from .text_searcher import TextSearcher, TextSearcherOptions

__all__ = ["Query", "TextEmbedder", "TextEmbedderOptions", "TextSearcher", "TextSearcherOptions"]
