"""Finds items by a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ArgumentTypeError
from ..processor.results import SearchResult
from ..search.searcher import Searcher, SearcherOptions


@dataclass
class TextSearcherOptions(SearcherOptions):
    """Options of a `TextSearcher`."""


class TextSearcher(Searcher):
    """Finds items by a sentence.

    ```python
    with TextSearcher.create_from_file("searcher.tflite") as searcher:
        for neighbor in searcher.search("a man riding a bike").nearest_neighbors:
            print(neighbor.metadata.decode(), neighbor.distance)
    ```
    """

    options_type = TextSearcherOptions

    def search(self, text: str, *, num_leaves_to_search: int | None = None) -> SearchResult:
        """Finds the items nearest to a sentence.

        Args:
            text: The query; what lies beyond the length that the file reads is ignored. It may be empty.
            num_leaves_to_search: For on-device ScaNN indexes, how many leaves to look into; as built where None.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance.

        Raises:
            InvalidArgumentError: The file answers no text, `text` is no str, or the file's leaves are fixed.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self.engine.search_text(text, self._max_results(), num_leaves_to_search)

    def search_batch(self, texts: Iterable[str], *, num_leaves_to_search: int | None = None) -> list[SearchResult]:
        """Finds the items nearest to each of some sentences; arguments and errors are those of `search`."""
        if isinstance(texts, str):
            raise ArgumentTypeError("search_batch takes several sentences, found one str.")
        return [self.search(text, num_leaves_to_search=num_leaves_to_search) for text in texts]
