"""What text and image searchers have in common: options, life cycle and search by vector."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar

import numpy as np
from typing_extensions import Self

from ..core.base_options import BaseOptions
from ..errors import InvalidArgumentError
from ..processor.options import EmbeddingOptions, SearchOptions
from ..processor.results import SearchResult
from .engine import Engine
from .open import open_engine


@dataclass
class SearcherOptions:
    """Options of a searcher.

    Attributes:
        base_options: Where the file is and how it is run.
        embedding_options: How queries' embeddings are post-processed.
        search_options: How neighbours are reported.
    """

    base_options: BaseOptions
    embedding_options: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    search_options: SearchOptions = field(default_factory=SearchOptions)


class Searcher:
    """Base of `TextSearcher` and `ImageSearcher`; safe to use from several threads, each with an interpreter of its own."""

    options_type: ClassVar[type[SearcherOptions]] = SearcherOptions

    @classmethod
    def create_from_file(cls, model_file_path: str, index_file_path: str | None = None) -> Self:
        """Opens a searcher with default options.

        Args:
            model_file_path: The searcher.
            index_file_path: An index beside it, for Task Library models that do not hold theirs.

        Raises:
            InvalidArgumentError: It is no TFLite model, or it has no index.
            MissingFileError: There is no such file.
            SearcherError: The file is damaged or of a newer format.
        """
        return cls(cls.options_type(BaseOptions(model_file_path), search_options=SearchOptions(index_file_name=index_file_path)))

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
        self._options = options
        self._engine: Engine | None = open_engine(options.base_options, options.embedding_options, options.search_options)

    @property
    def options(self) -> SearcherOptions:
        """The options that the searcher was made with."""
        return self._options

    @property
    def engine(self) -> Engine:
        """What answers the queries.

        Raises:
            InvalidArgumentError: The searcher is closed.
        """
        if self._engine is None:
            raise InvalidArgumentError("the searcher is closed.")
        return self._engine

    def get_user_info(self) -> str:
        """The text that the builder stored in the file; empty where there is none.

        Bytes that are no UTF-8 are surrogates: `text.encode("utf-8", "surrogateescape")` gives them back.
        """
        return self.engine.user_info

    def search_embedding(self, vector: np.ndarray, *, num_leaves_to_search: int | None = None) -> SearchResult:
        """Finds the items nearest to an embedding.

        Args:
            vector: `(d,)` float32, of the kind that the file's embedder makes; it is not normalised here.
            num_leaves_to_search: For on-device ScaNN indexes, how many leaves to look into; as built where None.

        Raises:
            InvalidArgumentError: Its length is not d, a value is not finite, or the file's leaves are fixed.
            DamagedFileError: A part of the index that the query needs is damaged.
        """
        return self.engine.search_embedding(vector, self._max_results(), num_leaves_to_search)

    def _max_results(self) -> int:
        self._options.search_options.check()
        return self._options.search_options.max_results

    def close(self) -> None:
        """Releases the file and the interpreters; a second call does nothing."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the searcher."""
        self.close()
