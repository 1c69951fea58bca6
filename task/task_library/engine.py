"""The engine for on-device ScaNN indexes: an embedder, and an index in the model's file or beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.external_file import ExternalFile
from ..core.model_file import ModelFile
from ..errors import DamagedFileError, InvalidArgumentError
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
    """Embeds queries with one file and searches in another, or in another part of the same; safe to use from several threads."""

    def __init__(self, embedder: Embedder, index: ScannIndex, file: ModelFile, index_file: ExternalFile | None = None) -> None:
        """Joins the two.

        Args:
            embedder: What embeds queries; closed with the engine.
            index: What is searched; closed with the engine.
            file: The model.
            index_file: The file that the index lies in, where that is not the model's; closed with the engine.

        Raises:
            InvalidArgumentError: The embeddings are not of the index's dimension.
        """
        if embedder.dimension != index.dimension:
            raise InvalidArgumentError(f"{file.name}: the model makes {embedder.dimension} dimensions, the index has {index.dimension}.")
        self._embedder, self._index, self._index_file = embedder, index, index_file
        self._name, self._check_unchanged = file.name, (index_file or file).check_unchanged

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._index.dimension

    @property
    def distance(self) -> str:
        """What distances are."""
        return self._index.distance

    @property
    def resampling(self) -> str:
        """How images are brought to size."""
        return self._embedder.resampling

    @property
    def user_info(self) -> str:
        """The builder's own text; bytes that are no UTF-8 are surrogates."""
        return self._index.user_info

    @property
    def items(self) -> int:
        """How many rows there are."""
        return self._index.rows

    def item(self, number: int) -> bytes:
        """The metadata of a row.

        Raises:
            DamagedFileError: There is no such row.
        """
        return self._index.metadata(number)

    def embed_text(self, text: str) -> np.ndarray:
        """The `(d,)` float32 embedding of a sentence."""
        return self._embedder.embed_text(text)

    def embed_image(self, pixels: np.ndarray) -> np.ndarray:
        """The `(d,)` float32 embedding of an image of the size that `image_size` says."""
        return self._embedder.embed_image(pixels)

    def image_size(self) -> tuple[int, int]:
        """Height and width that image queries have to have."""
        return self._embedder.image_size()

    def search_text(self, query: str, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to a sentence."""
        self._check_unchanged()
        return self._index.search(self._embedder.embed_text(query), request)

    def search_image(self, pixels: np.ndarray, request: SearchRequest) -> SearchResult:
        """Finds the items nearest to an image of the size that `image_size` says."""
        self._check_unchanged()
        return self._index.search(self._embedder.embed_image(pixels), request)

    def search_embedding(self, vector: np.ndarray, request: SearchRequest, kind: str = EMBEDDING) -> SearchResult:
        """Finds the items nearest to an embedding, `(d,)` float32; it is used as it is, not normalised.

        Raises:
            InvalidArgumentError: Its length is not the index's dimension, or it is not finite.
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
    """Joins an embedder with an index.

    Args:
        embedder: What embeds queries; closed with the engine, and where there is an error.
        file: The model, which `embedder` closes.
        beside: Options that name an index beside the model; None for the index in the model's file.

    Raises:
        InvalidArgumentError: There is no index, or the embeddings are not of its dimension.
        MissingFileError: There is no such file.
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
    """The index that the options name; content wins.

    Raises:
        InvalidArgumentError: The name is empty.
        MissingFileError: There is no such file.
        DamagedFileError: It is no index, or it is damaged.
    """
    file = ExternalFile(options.index_file_name, options.index_file_content, "index_file_content")
    try:
        return ScannIndex(file.name, file.content), file
    except DamagedFileError:
        file.close()
        raise


def open_embedded_index(file: ModelFile, subgraph: dict[str, Any]) -> ScannIndex:
    """The index within a model's file.

    Raises:
        InvalidArgumentError: The metadata name none.
        DamagedFileError: It is missing or damaged.
    """
    tensors = subgraph.get("output_tensor_metadata", [])
    indexes = [f for t in tensors for f in t.get("associated_files", []) if f.get("type") == SCANN_INDEX_FILE]
    if not indexes:
        raise InvalidArgumentError(f"{file.name}: {NO_INDEX}")
    name = indexes[0].get("name", "")
    if name not in file.entries:
        raise DamagedFileError(f"{file.name}: associated file {name!r} is missing.")
    return ScannIndex(f"{file.name}: {name}", file.content, *file.entries[name])
