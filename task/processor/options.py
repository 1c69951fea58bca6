"""How a query is embedded and how its neighbours are reported."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidArgumentError


@dataclass
class EmbeddingOptions:
    """How embeddings are post-processed.

    Attributes:
        l2_normalize: Divide the embedding by its Euclidean norm. A graph searcher has this in the file, so it is not needed there.
        quantize: Embeddings as int8, `round(128 x)`. Embedders only.
    """

    l2_normalize: bool | None = None
    quantize: bool | None = None


@dataclass
class SearchOptions:
    """How neighbours are reported.

    Attributes:
        index_file_name: An index beside the model, for Task Library models that do not hold theirs.
        index_file_content: That index as bytes; they win where both are given.
        max_results: How many neighbours at most; a graph searcher gives no more than the `k` it was built for.
    """

    index_file_name: str | None = None
    index_file_content: bytes | None = None
    max_results: int = 5

    def check(self) -> None:
        """Checks the values, which may have been changed since the options were made.

        Raises:
            InvalidArgumentError: `max_results` is below 1.
        """
        if self.max_results < 1:
            raise InvalidArgumentError(f"SearchOptions.max_results must be > 0, found {self.max_results}.")


@dataclass
class BoundingBox:
    """A region of an image, in pixels from its upper left corner."""

    origin_x: int
    origin_y: int
    width: int
    height: int
