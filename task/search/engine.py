"""What searchers and embedders ask of an engine; the file decides which one answers."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..processor.results import SearchResult


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
    """Finds items, too.

    `num_leaves` is how many leaves of the index a query looks into, in the place of the number that the index was built for.
    """

    @property
    def user_info(self) -> str:
        """The builder's own text; bytes that are no UTF-8 are surrogates, as `os.fsdecode` has them."""

    @property
    def items(self) -> int:
        """How many there are."""

    def item(self, number: int) -> bytes:
        """The metadata of an item in `[0, items)`.

        Raises:
            DamagedFileError: There is no such item.
        """

    def search_text(self, query: str, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the items nearest to a sentence; raises as `embed_text` does."""

    def search_image(self, pixels: np.ndarray, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the items nearest to an image; raises as `embed_image` does."""

    def search_embedding(self, vector: np.ndarray, max_results: int, num_leaves: int | None = None) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32; it is used as it is, not normalised.

        Raises:
            InvalidArgumentError: Its length is not the index's dimension, or it is not finite.
        """
