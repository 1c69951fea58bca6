"""Options of embedding and searching."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidArgumentError

AUTO = "auto"  # value of min_relevance: the gate and the cut in the file


@dataclass
class EmbeddingOptions:
    """How to post-process embeddings.

    Attributes:
        l2_normalize: Divide the embedding by its Euclidean norm. Graph searchers do this themselves if it is necessary.
        quantize: Quantise embeddings to int8, `round(128 x)`. For embedders only.
    """

    l2_normalize: bool | None = None
    quantize: bool | None = None


@dataclass
class SearchOptions:
    """How to search and report neighbours.

    Attributes:
        index_file_name: Path of an index, for Task Library models without an index in the file.
        index_file_content: The index as bytes. If both are given, these are used.
        overlay_file_name: Path of a file that `save_overlay` wrote for this searcher; for graph searchers only.
        max_results: Maximum number of neighbours. More than the `k` of a graph searcher are found by scoring all
            items exactly, which takes longer; `maker index --update --k` changes k.
        min_relevance: Leave out neighbours with a lower `relevance`, in [0, 1]. It needs a file with a relevance curve. `auto` takes two
            values from the file: if the relevance of the first neighbour is below the gate, nothing matches and the result is empty; any
            other neighbour is left out if its relevance is below the cut. None returns the nearest neighbours at any distance, as the
            Task Library does.
    """

    index_file_name: str | None = None
    index_file_content: bytes | None = None
    overlay_file_name: str | None = None
    max_results: int = 5
    min_relevance: float | str | None = None

    def check(self) -> None:
        """Checks the values, which may change after the options were created.

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
