"""Finds items by an image."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.base_options import BaseOptions
from ..errors import InvalidArgumentError
from ..processor.options import BoundingBox, SearchOptions
from ..processor.results import SearchResult
from ..search.searcher import Searcher, SearcherOptions
from .resize import resize
from .tensor_image import TensorImage


@dataclass
class ImageSearcherOptions(SearcherOptions):
    """Options of an `ImageSearcher`."""


class ImageSearcher(Searcher):
    """Finds items by an image.

    ```python
    with ImageSearcher.create_from_file("searcher.tflite") as searcher:
        result = searcher.search(TensorImage.create_from_file("query.jpg"))
    ```
    """

    @classmethod
    def create_from_file(cls, model_file_path: str, index_file_path: str | None = None) -> ImageSearcher:
        """Opens a searcher with default options.

        Args:
            model_file_path: The searcher.
            index_file_path: An index beside it, for Task Library models that do not hold theirs.

        Raises:
            InvalidArgumentError: It is no TFLite model, or it has no index.
            MissingFileError: There is no such file.
            SearcherError: The file is damaged or of a newer format.
        """
        return cls.create_from_options(
            ImageSearcherOptions(BaseOptions(model_file_path), search_options=SearchOptions(index_file_name=index_file_path))
        )

    @classmethod
    def create_from_options(cls, options: ImageSearcherOptions) -> ImageSearcher:
        """Opens a searcher; raises as `create_from_file` does."""
        return cls(options)

    def search(self, image: TensorImage, bounding_box: BoundingBox | None = None) -> SearchResult:
        """Finds the items nearest to an image.

        Args:
            image: The query, of any size.
            bounding_box: The region that is the query; the whole image where None.

        Returns:
            At most `search_options.max_results` neighbours, by ascending distance.

        Raises:
            InvalidArgumentError: The file answers no images, or the box is not within the image.
        """
        height, width = self.engine.image_size()
        pixels = image.buffer
        if bounding_box is not None:
            box = bounding_box
            right, bottom = box.origin_x + box.width, box.origin_y + box.height
            if min(box.origin_x, box.origin_y) < 0 or min(box.width, box.height) < 1 or right > image.width or bottom > image.height:
                raise InvalidArgumentError(f"Invalid crop coordinates. {box} is not within {image.width} x {image.height} pixels.")
            pixels = pixels[box.origin_y : bottom, box.origin_x : right]
        return self.engine.search_image(resize(pixels, height, width), self._max_results())
