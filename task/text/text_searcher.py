"""Finds items by a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ArgumentTypeError
from ..processor.results import SearchResult
from ..search.allowed import Allowed
from ..search.query import Query
from ..search.request import SearchRequest
from ..searcher import OFF, Searcher, SearcherOptions, Where


@dataclass
class TextSearcherOptions(SearcherOptions):
    """Options of a `TextSearcher`."""


class TextSearcher(Searcher):
    """Finds items by a sentence.

    Examples:
        >>> from task.text import TextSearcher
        >>> with TextSearcher.create_from_file("searcher.tflite") as searcher:
        ...     nearest, *_ = searcher.search("a man riding a bike").nearest_neighbors
        >>> nearest.metadata
        b'bike.jpg'
    """

    options_type = TextSearcherOptions

    def search(
        self,
        text: str | Query,
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
        lexical: str = OFF,
    ) -> SearchResult:
        """Finds the items nearest to a sentence.

        Args:
            text: A sentence, which may be empty; text beyond the maximum length of the file is ignored. Or a `Query` of several parts.
            num_leaves_to_search: Number of leaves to search, for on-device ScaNN indexes only; None takes the number in the file.
            allowed: The items that may be found: ids, metadata as for `find`, or a boolean mask with one value per id. All of them are
                scored, so the result is exact. The time grows with their number.
            where: A filter on the facts of the items, such as `year >= 2024 and 'beach' in tags`, or a `Condition`. With `allowed`, both
                apply. The result is exact, as with `allowed`.
            lexical: Whether the words of a sentence are also looked up in names, captions and text facts, for files that were built with
                `--lexical`. `auto` joins both lists, `only` finds only what has a word of the sentence, `off` takes embeddings alone.
                An item whose file name is the whole sentence comes first.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance, with `lexical` by both lists together.
            `search_options.min_relevance` leaves out some or all of them; the gate of `auto` applies to the nearest allowed item.

        Raises:
            InvalidArgumentError: The file does not take the query, `text` is neither a str nor a `Query`, a part of a `Query` cannot be
                used or nothing is left of it, the number of leaves of the file is fixed, `min_relevance` is set and the file has no curve
                for the query or the shards have different ones, `allowed` contains an unknown id, `where` is
                no filter or asks for an unknown column, or `lexical` is set and the file has no lexical index.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self._search(text, self._request(num_leaves_to_search, allowed, where), lexical)

    def search_batch(
        self,
        texts: Iterable[str | Query],
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
        lexical: str = OFF,
    ) -> list[SearchResult]:
        """Finds the items nearest to each query; arguments and errors are those of `search`."""
        if isinstance(texts, str):
            raise ArgumentTypeError("search_batch takes several sentences, found one str.")
        request = self._request(num_leaves_to_search, allowed, where)
        return [self._search(text, request, lexical) for text in texts]

    def _search(self, text: str | Query, request: SearchRequest, lexical: str) -> SearchResult:
        if lexical != OFF:
            sentence = text.only_part if isinstance(text, Query) else text
            if not isinstance(sentence, str):
                raise ArgumentTypeError(f"lexical={lexical!r} takes one sentence, found a Query of other parts; leave lexical='off'.")
            return self._search_words(sentence, request, lexical)
        if isinstance(text, Query):
            return self._search_query(text, request)
        return self._relevant("text", self.engine.search_text(text, request))
