"""Finds items by an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import InvalidArgumentError
from ..processor.options import BoundingBox
from ..processor.results import SearchResult
from ..search.allowed import Allowed
from ..search.query import Query
from ..search.request import SearchRequest
from ..searcher import Searcher, SearcherOptions, Where
from .query import query_pixels
from .tensor_image import TensorImage


@dataclass
class ImageSearcherOptions(SearcherOptions):
    """Options of an `ImageSearcher`."""


class ImageSearcher(Searcher):
    """Finds items by an image.

    Examples:
        >>> from task.vision import ImageSearcher, TensorImage
        >>> with ImageSearcher.create_from_file("searcher.tflite") as searcher:
        ...     result = searcher.search(TensorImage.create_from_file("query.jpg"))
        >>> len(result.nearest_neighbors)
        5
    """

    options_type = ImageSearcherOptions

    def search(
        self,
        image: TensorImage | Query,
        bounding_box: BoundingBox | None = None,
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
    ) -> SearchResult:
        """Finds the items nearest to an image.

        Args:
            image: A picture of any size, or a `Query` of several parts.
            bounding_box: The region to use as query; the whole image if None. It goes with a picture only.
            num_leaves_to_search: Number of leaves to search, for on-device ScaNN indexes only; None takes the number in the file.
            allowed: The items that may be found: ids, metadata as for `find`, or a boolean mask with one value per id. All of them are
                scored, so the result is exact. The time grows with their number.
            where: A filter on the facts of the items, such as `year >= 2024 and 'beach' in tags`, or a `Condition`. With `allowed`, both
                apply. The result is exact, as with `allowed`.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance.

        Raises:
            InvalidArgumentError: The file does not take images, the box is not within the image, the number of leaves of the file is fixed,
                `allowed` contains an unknown id, or
                `where` is no filter or asks for an unknown column.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self._search(image, bounding_box, self._request(num_leaves_to_search, allowed, where))

    def search_batch(
        self,
        images: Iterable[TensorImage | Query],
        *,
        num_leaves_to_search: int | None = None,
        allowed: Allowed | None = None,
        where: Where | None = None,
    ) -> list[SearchResult]:
        """Finds the items nearest to each query; arguments and errors are those of `search`."""
        request = self._request(num_leaves_to_search, allowed, where)
        return [self._search(image, None, request) for image in images]

    def _search(self, image: TensorImage | Query, bounding_box: BoundingBox | None, request: SearchRequest) -> SearchResult:
        if isinstance(image, Query):
            if bounding_box is not None:
                raise InvalidArgumentError("a bounding box goes with a TensorImage, not with a Query; crop its pictures instead.")
            return self._search_query(image, request)
        engine = self.engine
        return self._relevant("image", engine.search_image(query_pixels(image, bounding_box, engine), request))
