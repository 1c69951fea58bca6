"""Search by a sentence."""

from .text_embedder import TextEmbedder, TextEmbedderOptions
from .text_searcher import TextSearcher, TextSearcherOptions

__all__ = ["TextEmbedder", "TextEmbedderOptions", "TextSearcher", "TextSearcherOptions"]
