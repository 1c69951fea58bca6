"""What text and image searchers have in common: options, life cycle and search by vector."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from typing_extensions import Self

from .core.base_options import BaseOptions
from .engine_owner import EngineOwner
from .errors import ArgumentTypeError, InvalidArgumentError
from .opening import open_engine, open_shards
from .processor.options import EmbeddingOptions, SearchOptions
from .processor.relevance import relevant_only
from .processor.results import SearchResult
from .search.allowed import Allowed, allowed_items
from .search.engine import Engine
from .search.request import SearchRequest


@dataclass
class SearcherOptions:
    """Options of a searcher.

    Attributes:
        base_options: Where the file is and how it is run.
        embedding_options: How queries' embeddings are post-processed.
        search_options: How neighbours are reported.
        shards: Paths of further searchers, made with the same towers, that are searched beside the first.
    """

    base_options: BaseOptions
    embedding_options: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    search_options: SearchOptions = field(default_factory=SearchOptions)
    shards: Sequence[str] = ()


@runtime_checkable
class Picture(Protocol):
    """What can be an image item: `TensorImage`."""

    def resized(self, height: int, width: int, resampling: str) -> np.ndarray:
        """Its pixels, `(height, width, 3)` uint8 RGB."""


class Searcher(EngineOwner[Engine]):
    """Base of `TextSearcher` and `ImageSearcher`; safe to use from several threads, each with an interpreter of its own."""

    options_type: ClassVar[type[SearcherOptions]] = SearcherOptions
    _noun = "searcher"

    @classmethod
    def create_from_file(cls, model_file_path: str, index_file_path: str | None = None, *, overlay: str | None = None) -> Self:
        """Opens a searcher with default options.

        Args:
            model_file_path: The searcher.
            index_file_path: An index beside it, for Task Library models that do not hold theirs.
            overlay: What `save_overlay` wrote beside this searcher.

        Raises:
            InvalidArgumentError: It is no TFLite model, it has no index, or the overlay belongs to another searcher.
            MissingFileError: There is no such file.
            SearcherError: The file is damaged or of a newer format.
        """
        search_options = SearchOptions(index_file_name=index_file_path, overlay_file_name=None if overlay is None else os.fspath(overlay))
        return cls(cls.options_type(BaseOptions(model_file_path), search_options=search_options))

    @classmethod
    def create_from_files(cls, model_file_paths: Iterable[str]) -> Self:
        """Opens several searchers as one, with default options; `SearcherOptions.shards` is the way with others.

        A query is embedded once, every file is searched with it, and the results are merged by distance. Ids go on from file to file.

        Args:
            model_file_paths: At least one; made with the same towers, distance and options.

        Raises:
            InvalidArgumentError: There is none, or they do not belong together; otherwise as `create_from_file`.
        """
        paths = [model_file_paths] if isinstance(model_file_paths, (str, os.PathLike)) else list(model_file_paths)
        if not paths:
            raise InvalidArgumentError("create_from_files takes at least one file, found none.")
        return cls(cls.options_type(BaseOptions(paths[0]), shards=[os.fspath(path) for path in paths[1:]]))

    @classmethod
    def create_from_options(cls, options: SearcherOptions) -> Self:
        """Opens a searcher; raises as `create_from_file` does."""
        return cls(options)

    def __init__(self, options: SearcherOptions) -> None:
        """Opens the file that the options name.

        Raises:
            InvalidArgumentError: An option or the model cannot be used.
            MissingFileError: There is no such file.
            SearcherError: The file is damaged or of a newer format.
        """
        options.search_options.check()
        if options.embedding_options.quantize:
            raise InvalidArgumentError("Setting EmbeddingOptions.quantize = true is not allowed in searchers.")
        if options.shards:
            engine: Engine = open_shards(options.base_options, options.shards, options.embedding_options, options.search_options)
        else:
            engine = open_engine(options.base_options, options.embedding_options, options.search_options)
        super().__init__(engine)
        self._options = options

    @property
    def options(self) -> SearcherOptions:
        """The options that the searcher was made with."""
        return self._options

    def get_user_info(self) -> str:
        """The text that the builder stored in the file; empty where there is none.

        Bytes that are no UTF-8 are surrogates: `text.encode("utf-8", "surrogateescape")` gives them back.
        """
        return self.engine.user_info

    @property
    def items(self) -> int:
        """How many ids there are: they go from 0 to this; items that were added count, those removed still do."""
        return self.engine.items

    def get_metadata(self, item_id: int) -> bytes:
        """What was stored with an item.

        Raises:
            InvalidArgumentError: There is no such item, or it was removed.
        """
        number = operator.index(item_id)
        if not self.engine.has(number):
            raise InvalidArgumentError(f"there is no item {number}; ids go from 0 to {self.engine.items - 1}, removed ones left out.")
        return self.engine.item(number)

    def add(self, item: str | np.ndarray | Picture, metadata: bytes | str) -> int:
        """Adds an item beside the file, which stays as it is; searches find it at once, in every thread.

        Args:
            item: A sentence or a `TensorImage`, embedded by the file's towers, or an embedding, `(d,)` float32, of the kind they make.
            metadata: What is stored with it; text is stored as UTF-8.

        Returns:
            Its id. Ids go on from the file's own and are not used twice.

        Raises:
            InvalidArgumentError: The file has no tower for it, the embedding is of another length or norm, or the file takes no changes: a
                Task Library index, or shards.
        """
        engine = self.engine
        if not isinstance(metadata, (str, bytes, bytearray)):
            raise ArgumentTypeError(f"metadata has to be a str or bytes, found {type(metadata).__name__}.")
        content = metadata.encode() if isinstance(metadata, str) else bytes(metadata)
        if isinstance(item, str):
            vector = engine.embed_text(item)
        elif isinstance(item, Picture):
            vector = engine.embed_image(item.resized(*engine.image_size(), engine.resampling))
        else:
            vector = np.asarray(item)
            if vector.dtype.kind not in "fiu":
                raise ArgumentTypeError(f"an item has to be a str, a TensorImage or an embedding, found {type(item).__name__}.")
        return engine.add(vector, content)

    def remove(self, item_id: int) -> None:
        """Hides an item, the file's own or one that was added; the others fill its place.

        Args:
            item_id: What `add` returned or `NearestNeighbor.id` says.

        Raises:
            InvalidArgumentError: There is no such item, or the file takes no changes.
        """
        self.engine.remove(operator.index(item_id))

    def save_overlay(self, path: str) -> None:
        """Writes what was added and removed, whole or not at all; `create_from_file(…, overlay=path)` opens it with the same searcher.

        `maker index --update` makes one file of the two.

        Raises:
            InvalidArgumentError: The file takes no changes.
        """
        self.engine.save_overlay(Path(path))

    def search_embedding(
        self, vector: np.ndarray, *, num_leaves_to_search: int | None = None, allowed: Allowed | None = None
    ) -> SearchResult:
        """Finds the items nearest to an embedding.

        Args:
            vector: `(d,)` float32, of the kind that the file's embedder makes; it is not normalised here.
            num_leaves_to_search: For on-device ScaNN indexes, how many leaves to look into; as built where None.
            allowed: As in `search`.

        Raises:
            InvalidArgumentError: Its length is not d, a value is not finite, or the file's leaves are fixed.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        request = self._request(num_leaves_to_search, allowed)
        return self._relevant("embedding", self.engine.search_embedding(vector, request))

    def _request(self, num_leaves: int | None, allowed: Allowed | None) -> SearchRequest:
        """What the engine is asked for, by the options as they are now.

        Raises:
            InvalidArgumentError: `allowed` names no item or comes with `num_leaves`, or an option cannot be used.
        """
        chosen = self._allowed(allowed, num_leaves)
        self._options.search_options.check()
        return SearchRequest(max_results=self._options.search_options.max_results, num_leaves=num_leaves, allowed=chosen)

    def _allowed(self, allowed: Allowed | None, num_leaves: int | None) -> np.ndarray | None:
        if allowed is None:
            return None
        if num_leaves is not None:
            raise InvalidArgumentError(
                "num_leaves_to_search and allowed exclude each other: every allowed item is scored, whatever its leaf."
            )
        engine = self.engine
        return allowed_items(allowed, engine.items, engine.built_items)

    def _relevant(self, kind: str, result: SearchResult) -> SearchResult:
        """What of a result of this kind of query the options let through."""
        return relevant_only(result, self._options.search_options.min_relevance, self.engine.relevance_curve(kind))
