"""Search by a sentence."""

from .text_searcher import TextSearcher, TextSearcherOptions

__all__ = ["TextSearcher", "TextSearcherOptions"]
