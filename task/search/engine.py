"""The interfaces of engines, which searchers and embedders call. The format of the file decides which engine it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ..format.preparation import Preparation
from ..format.sound_format import SoundFormat
from ..processor.relevance import RelevanceCurve
from ..processor.results import SearchResult
from .facts import Fact, SearchedFacts
from .lexical import LexicalPart, LexicalSearch
from .request import SearchRequest

EMBEDDING = "embedding"  # the kind of a query that is an embedding
NO_INDEX = (
    "Unable to find index file: SearchOptions.index_file is not set and no AssociatedFile with type SCANN_INDEX_FILE could be found in "
    "the output tensor metadata."
)


class Embedder(Protocol):
    """Embeds queries; thread-safe."""

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""

    @property
    def preparation(self) -> Preparation:
        """How to bring an image to `image_size`.

        Raises:
            NewerFormatError: The file wants something that this release does not know.
        """

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence.

        Raises:
            InvalidArgumentError: The file does not embed text, or `text` is not a str.
        """

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image, `(height, width, 3)` uint8 RGB with the size of `image_size`.

        Raises:
            InvalidArgumentError: The file does not embed images, or the image has another size.
        """

    def image_size(self) -> tuple[int, int]:
        """The height and width of image queries, in pixels.

        Raises:
            InvalidArgumentError: The file does not take images.
        """

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of a sound, `(samples,)` float32 as `sound_format` says.

        Raises:
            InvalidArgumentError: The file does not embed sounds, or the sound has another length.
        """

    @property
    def sound_format(self) -> SoundFormat:
        """Rate and number of samples of sound queries.

        Raises:
            InvalidArgumentError: The file does not take sounds.
            DamagedFileError: The manifest says nothing of them.
        """

    def close(self) -> None:
        """Releases the interpreters and the file."""


class Engine(Embedder, Protocol):
    """Embeds queries and finds items; thread-safe."""

    @property
    def distance(self) -> str:
        """The distance: `dot_product`, which is negated, or `squared_l2`; smaller is nearer."""

    @property
    def user_info(self) -> str:
        """The text of the builder. Bytes that are not UTF-8 are surrogates, as with `os.fsdecode`."""

    @property
    def items(self) -> int:
        """The number of ids. Added items count, and removed items still count."""

    @property
    def built_items(self) -> int:
        """The number of items that the file was built with; they have the first ids."""

    @property
    def values_scanned(self) -> int:
        """The number of values that a search reads, about: rows times dimensions. 0 if the index does not say."""

    def has(self, item: int) -> bool:
        """Whether an item exists and was not removed."""

    def item(self, number: int) -> bytes:
        """The metadata of an item in `[0, items)`.

        Raises:
            DamagedFileError: The item does not exist.
        """

    def search_text(self, query: str, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sentence. It raises the errors of `embed_text`."""

    def search_image(self, pixels: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to an image. It raises the errors of `embed_image`."""

    def search_audio(self, samples: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sound. It raises the errors of `embed_audio`."""

    def search_embedding(self, vector: np.ndarray, request: SearchRequest, kind: str = EMBEDDING) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32, which is not normalised.

        `kind` is the kind of the original query: `text`, `image`, `audio` or `embedding`.

        Raises:
            InvalidArgumentError: The embedding has another dimension than the index, or a value that is not finite.
        """

    @property
    def means(self) -> Mapping[str, np.ndarray]:
        """The mean embeddings of sentences and of items, `text` and `image`, `(d,)` float32; empty if the file has none."""

    def relevance_curve(self, kind: str) -> RelevanceCurve | None:
        """The curve from distance to relevance for queries of a kind, `text`, `image`, `audio` or `embedding`; None if there is none."""

    @property
    def lexical_parts(self) -> Sequence[LexicalPart]:
        """The words of all ids, in their order.

        Raises:
            InvalidArgumentError: There is no lexical index.
        """

    @property
    def lexical(self) -> LexicalSearch:
        """The search by words.

        Raises:
            InvalidArgumentError: There is no lexical index.
        """

    def find(self, wanted: Collection[bytes]) -> dict[int, bytes]:
        """The items that were not removed whose metadata is one of `wanted`, by id, ascending."""

    def embedding(self, number: int) -> np.ndarray:
        """The stored embedding of an item that exists, `(d,)` float32.

        Raises:
            InvalidArgumentError: The index cannot give it.
        """

    def present(self) -> np.ndarray:
        """The ids of all items that were not removed, ascending, int64."""

    @property
    def facts(self) -> SearchedFacts:
        """The facts of all ids.

        Raises:
            InvalidArgumentError: The index takes none, or two shards have a column of different types.
        """

    def add(self, vector: np.ndarray, metadata: bytes, facts: Mapping[str, Fact | None] | None = None, captions: Iterable[str] = ()) -> int:
        """Adds an item, `(d,)` float32, and returns its id. The words of its captions are indexed beside those of metadata and facts.

        Raises:
            InvalidArgumentError: The index cannot be changed, or the embedding does not fit into it.
        """

    def remove(self, item: int) -> None:
        """Hides an item. Its id is not reused.

        Raises:
            InvalidArgumentError: The index cannot be changed, or the item does not exist.
        """

    def save_overlay(self, path: Path) -> None:
        """Writes the added and removed items to a file that opens together with its base.

        Raises:
            InvalidArgumentError: The index cannot be changed.
        """
