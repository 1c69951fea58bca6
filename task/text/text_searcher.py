"""Finds items by a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ArgumentTypeError
from ..processor.results import SearchResult
from ..search.allowed import Allowed
from ..search.request import SearchRequest
from ..searcher import Searcher, SearcherOptions


@dataclass
class TextSearcherOptions(SearcherOptions):
    """Options of a `TextSearcher`."""


class TextSearcher(Searcher):
    """Finds items by a sentence.

    >>> from task.text import TextSearcher
    >>> with TextSearcher.create_from_file("searcher.tflite") as searcher:
    ...     nearest, *_ = searcher.search("a man riding a bike").nearest_neighbors
    >>> nearest.metadata
    b'bike.jpg'
    """

    options_type = TextSearcherOptions

    def search(self, text: str, *, num_leaves_to_search: int | None = None, allowed: Allowed | None = None) -> SearchResult:
        """Finds the items nearest to a sentence.

        Args:
            text: The query; what lies beyond the length that the file reads is ignored. It may be empty.
            num_leaves_to_search: For on-device ScaNN indexes, how many leaves to look into; as built where None.
            allowed: The items that may be found: ids, or a boolean mask with a value an id. They are all scored, so that the right ones
                are found however few they are, and `max_results` may be more than the file's k. The time grows with their number.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance. Those that `search_options.min_relevance` excludes are
            left out, and none at all is an answer; the gate of `auto` is for the first of what is allowed.

        Raises:
            InvalidArgumentError: The file answers no text, `text` is no str, the file's leaves are fixed, `min_relevance`
                is set and the file has no curve or shards have different ones, or `allowed` names no item.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self._search(text, self._request(num_leaves_to_search, allowed))

    def search_batch(
        self, texts: Iterable[str], *, num_leaves_to_search: int | None = None, allowed: Allowed | None = None
    ) -> list[SearchResult]:
        """Finds the items nearest to each of some sentences; arguments and errors are those of `search`."""
        if isinstance(texts, str):
            raise ArgumentTypeError("search_batch takes several sentences, found one str.")
        request = self._request(num_leaves_to_search, allowed)
        return [self._search(text, request) for text in texts]

    def _search(self, text: str, request: SearchRequest) -> SearchResult:
        return self._relevant("text", self.engine.search_text(text, request))
