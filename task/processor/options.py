"""How a query is embedded and how its neighbours are reported."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidArgumentError

AUTO = "auto"  # min_relevance: the gate and the cut that the file was built with


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
        overlay_file_name: What `save_overlay` wrote beside this searcher; graph files only.
        max_results: How many neighbours at most; without `allowed`, a graph searcher gives no more than the `k` it was built for.
        min_relevance: Leave out neighbours whose `relevance` is below this, in [0, 1]. `auto` takes what the file was built with: a gate,
            below which the first neighbour means that nothing here matches and the answer is empty, and a cut, below which a neighbour is
            left out. None returns the nearest, however far they are, as the Task Library does. Needs a file with a relevance curve.
    """

    index_file_name: str | None = None
    index_file_content: bytes | None = None
    overlay_file_name: str | None = None
    max_results: int = 5
    min_relevance: float | str | None = None

    def check(self) -> None:
        """Checks the values, which may have been changed since the options were made.

        Raises:
            InvalidArgumentError: `max_results` is below 1, or `min_relevance` is neither within [0, 1] nor `auto`.
        """
        if self.max_results < 1:
            raise InvalidArgumentError(f"SearchOptions.max_results must be > 0, found {self.max_results}.")
        least = self.min_relevance
        if least is not None and least != AUTO and not (isinstance(least, (int, float)) and 0 <= least <= 1):
            raise InvalidArgumentError(f"SearchOptions.min_relevance must be within [0, 1], or 'auto', found {least!r}.")


@dataclass
class BoundingBox:
    """A region of an image, in pixels from its upper left corner."""

    origin_x: int
    origin_y: int
    width: int
    height: int
