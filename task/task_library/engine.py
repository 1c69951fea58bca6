"""The engine for on-device ScaNN indexes, in the model file or in another file."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.external_file import ExternalFile
from ..core.model_file import ModelFile
from ..errors import DamagedFileError, InvalidArgumentError
from ..format.preparation import Preparation
from ..format.sound_format import SoundFormat
from ..format.tflite_metadata import SCANN_INDEX_FILE
from ..processor.options import SearchOptions
from ..processor.relevance import RelevanceCurve
from ..processor.results import SearchResult
from ..search.engine import EMBEDDING, NO_INDEX, Embedder
from ..search.fixed_items import FixedItems
from ..search.request import SearchRequest
from .embedder import TaskLibraryEmbedder
from .index import ScannIndex


class ScannEngine(FixedItems):
    """Combines an embedder with an on-device ScaNN index; thread-safe."""

    def __init__(self, embedder: Embedder, index: ScannIndex, file: ModelFile, index_file: ExternalFile | None = None) -> None:
        """Takes ownership of embedder and index.

        Args:
            embedder: Embeds queries; closed with the engine.
            index: The index; closed with the engine.
            file: The model.
            index_file: The file of the index, if it is not the model file; closed with the engine.

        Raises:
            InvalidArgumentError: Embedder and index have different dimensions.
        """
        if embedder.dimension != index.dimension:
            raise InvalidArgumentError(f"{file.name}: the model makes {embedder.dimension} dimensions, the index has {index.dimension}.")
        self._embedder, self._index, self._index_file = embedder, index, index_file
        self._name, self._check_unchanged = file.name, (index_file or file).check_unchanged

    @property
    def dimension(self) -> int:
        """Dimension of the embeddings."""
        return self._index.dimension

    @property
    def distance(self) -> str:
        """The distance: `dot_product`, which is negated, or `squared_l2`."""
        return self._index.distance

    @property
    def preparation(self) -> Preparation:
        """How to bring an image to `image_size`."""
        return self._embedder.preparation

    @property
    def user_info(self) -> str:
        """The text of the builder. Bytes that are not UTF-8 are surrogates."""
        return self._index.user_info

    @property
    def items(self) -> int:
        """The number of rows."""
        return self._index.rows

    def item(self, number: int) -> bytes:
        """The metadata of a row.

        Raises:
            DamagedFileError: The row does not exist.
        """
        return self._index.metadata(number)

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence."""
        return self._embedder.embed_text(text)

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image with the size of `image_size`."""
        return self._embedder.embed_image(pixels)

    def image_size(self) -> tuple[int, int]:
        """The height and width of image queries, in pixels."""
        return self._embedder.image_size()

    def embed_audio(self, samples: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of a sound as `sound_format` says."""
        return self._embedder.embed_audio(samples)

    @property
    def sound_format(self) -> SoundFormat:
        """Rate and number of samples of sound queries."""
        return self._embedder.sound_format

    def search_text(self, query: str, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sentence."""
        self._check_unchanged()
        return self._index.search(self._embedder.embed_text(query), request)

    def search_image(self, pixels: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to an image with the size of `image_size`."""
        self._check_unchanged()
        return self._index.search(self._embedder.embed_image(pixels), request)

    def search_audio(self, samples: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sound as `sound_format` says."""
        self._check_unchanged()
        return self._index.search(self._embedder.embed_audio(samples), request)

    def search_embedding(self, vector: np.ndarray, request: SearchRequest, kind: str = EMBEDDING) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32, which is not normalised.

        Raises:
            InvalidArgumentError: The embedding has another dimension than the index, or a value that is not finite.
        """
        query = np.asarray(vector, np.float32).reshape(-1)
        if not np.isfinite(query).all():
            raise InvalidArgumentError(f"{self._name}: the query embedding has a value that is not finite.")
        self._check_unchanged()
        return self._index.search(query, request)

    def relevance_curve(self, kind: str) -> RelevanceCurve | None:
        """None: a Task Library index has no curve."""
        return None

    def _unchangeable(self) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{self._name}: a Task Library index takes no changes; index the items with `maker index` for a searcher that does."
        )

    def close(self) -> None:
        """Releases the interpreters and the files."""
        self._index.close()
        if self._index_file is not None:
            self._index_file.close()
        self._embedder.close()


def open_scann_engine(embedder: Embedder, file: ModelFile, beside: SearchOptions | None) -> ScannEngine:
    """Combines an embedder with an index.

    Args:
        embedder: Embeds queries; closed with the engine, or if there is an error.
        file: The model, which `embedder` closes.
        beside: Options with an index in another file; None for the index in the model file.

    Raises:
        InvalidArgumentError: There is no index, or it has another dimension than the embedder.
        MissingFileError: The file does not exist.
        DamagedFileError: The index is damaged.
    """
    index_file = None
    try:
        if beside is None:
            index = open_embedded_index(file, embedder.subgraph if isinstance(embedder, TaskLibraryEmbedder) else {})
        else:
            index, index_file = open_external_index(beside)
        try:
            return ScannEngine(embedder, index, file, index_file)
        except InvalidArgumentError:
            index.close()
            if index_file is not None:
                index_file.close()
            raise
    except BaseException:
        embedder.close()
        raise


def open_external_index(options: SearchOptions) -> tuple[ScannIndex, ExternalFile]:
    """Opens the index in the options. If both are given, the content is used.

    Raises:
        InvalidArgumentError: The name is empty.
        MissingFileError: The file does not exist.
        DamagedFileError: The file is not an index, or it is damaged.
    """
    file = ExternalFile(options.index_file_name, options.index_file_content, "index_file_content")
    try:
        return ScannIndex(file.name, file.content), file
    except DamagedFileError:
        file.close()
        raise


def open_embedded_index(file: ModelFile, subgraph: dict[str, Any]) -> ScannIndex:
    """Opens the index in a model file.

    Raises:
        InvalidArgumentError: The metadata name no index.
        DamagedFileError: The index is missing or damaged.
    """
    tensors = subgraph.get("output_tensor_metadata", [])
    indexes = [f for t in tensors for f in t.get("associated_files", []) if f.get("type") == SCANN_INDEX_FILE]
    if not indexes:
        raise InvalidArgumentError(f"{file.name}: {NO_INDEX}")
    name = indexes[0].get("name", "")
    if name not in file.entries:
        raise DamagedFileError(f"{file.name}: associated file {name!r} is missing.")
    return ScannIndex(f"{file.name}: {name}", file.content, *file.entries[name])
