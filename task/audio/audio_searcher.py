"""Finds items by a sound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..processor.results import SearchResult
from ..search.allowed import Allowed
from ..search.query import Query
from ..search.request import SearchRequest
from ..searcher import Searcher, SearcherOptions, Where
from .query import query_samples
from .tensor_audio import TensorAudio


@dataclass
class AudioSearcherOptions(SearcherOptions):
    """Options of an `AudioSearcher`."""


class AudioSearcher(Searcher):
    """Finds items by a sound."""

    options_type = AudioSearcherOptions

    def search(
        self,
        audio: TensorAudio | Query,
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
    ) -> SearchResult:
        """Finds the items nearest to a sound.

        Args:
            audio: A sound of any length and rate, or a `Query` of several parts. What is shorter than the model's input is filled up with
                silence; of what is longer, the loudest part counts.
            num_leaves_to_search: Number of leaves to search, for on-device ScaNN indexes only; None takes the number in the file.
            allowed: The items that may be found: ids, metadata as for `find`, or a boolean mask with one value per id. All of them are
                scored, so the result is exact. The time grows with their number.
            where: A filter on the facts of the items, such as `start < 60`, or a `Condition`. With `allowed`, both apply. The result is
                exact, as with `allowed`.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance.

        Raises:
            InvalidArgumentError: The file does not take sounds, the number of leaves of the file is fixed, `allowed` contains an unknown
                id, or `where` is no filter or asks for an unknown column.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self._search(audio, self._request(num_leaves_to_search, allowed, where))

    def search_batch(
        self,
        audios: Iterable[TensorAudio | Query],
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
    ) -> list[SearchResult]:
        """Finds the items nearest to each query; arguments and errors are those of `search`."""
        request = self._request(num_leaves_to_search, allowed, where)
        return [self._search(audio, request) for audio in audios]

    def _search(self, audio: TensorAudio | Query, request: SearchRequest) -> SearchResult:
        if isinstance(audio, Query):
            return self._search_query(audio, request)
        engine = self.engine
        return self._relevant("audio", engine.search_audio(query_samples(audio, engine), request))
