"""What searchers and embedders ask of an engine; the file decides which one answers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from ..processor.relevance import RelevanceCurve
from ..processor.results import SearchResult
from .request import SearchRequest

EMBEDDING = "embedding"  # the kind of a query that came embedded
NO_INDEX = (
    "Unable to find index file: SearchOptions.index_file is not set and no AssociatedFile with type SCANN_INDEX_FILE could be found in "
    "the output tensor metadata."
)


class Embedder(Protocol):
    """Turns queries into embeddings; safe to use from several threads."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def resampling(self) -> str:
        """How an image is brought to `image_size`: a name that `task.vision.resize.resize_as` knows."""

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence.

        Raises:
            InvalidArgumentError: The file embeds no text, or `text` is no str.
        """

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image, `(height, width, 3)` uint8 RGB of the size that `image_size` says.

        Raises:
            InvalidArgumentError: The file embeds no images, or the image is of another size.
        """

    def image_size(self) -> tuple[int, int]:
        """Height and width that image queries have to have.

        Raises:
            InvalidArgumentError: The file takes no images.
        """

    def close(self) -> None:
        """Releases the interpreters and the file."""


class Engine(Embedder, Protocol):
    """Finds items, too."""

    @property
    def distance(self) -> str:
        """What distances are: `dot_product` (negative) or `squared_l2`."""

    @property
    def user_info(self) -> str:
        """The builder's own text; bytes that are no UTF-8 are surrogates, as `os.fsdecode` has them."""

    @property
    def items(self) -> int:
        """How many ids there are; items that were added count, those removed still do."""

    @property
    def built_items(self) -> int:
        """How many items the file was built with; they have the first ids."""

    def has(self, item: int) -> bool:
        """Whether there is an item of that id that was not removed."""

    def item(self, number: int) -> bytes:
        """The metadata of an item in `[0, items)`.

        Raises:
            DamagedFileError: There is no such item.
        """

    def search_text(self, query: str, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sentence; raises as `embed_text` does."""

    def search_image(self, pixels: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to an image; raises as `embed_image` does."""

    def search_embedding(self, vector: np.ndarray, request: SearchRequest, kind: str = EMBEDDING) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32; it is used as it is, not normalised.

        `kind` is what was embedded, `text`, `image` or `embedding`.

        Raises:
            InvalidArgumentError: Its length is not the index's dimension, or it is not finite.
        """

    def relevance_curve(self, kind: str) -> RelevanceCurve | None:
        """The curve of queries by `text`, `image` or `embedding`, from their distances to relevance; None where there is none."""

    def add(self, vector: np.ndarray, metadata: bytes) -> int:
        """Adds an item, `(d,)` float32, and returns its id.

        Raises:
            InvalidArgumentError: The index takes no changes, or the embedding cannot be one of it.
        """

    def remove(self, item: int) -> None:
        """Hides an item; its id is not used again.

        Raises:
            InvalidArgumentError: The index takes no changes, or there is no such item.
        """

    def save_overlay(self, path: Path) -> None:
        """Writes what was added and removed to a file that opens with its base.

        Raises:
            InvalidArgumentError: The index takes no changes.
        """
