"""The base of text, image and audio embedders: options, life cycle and post-processing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from typing_extensions import Self

from .core.base_options import BaseOptions
from .engine_owner import EngineOwner
from .opening import open_embedder
from .processor import embeddings
from .processor.embeddings import Embedding, EmbeddingResult, FeatureVector
from .processor.options import EmbeddingOptions
from .search import engine as engines


@dataclass
class EmbedderOptions:
    """Options of an embedder.

    Attributes:
        base_options: The file and how to run it.
        embedding_options: How to post-process embeddings.
    """

    base_options: BaseOptions
    embedding_options: EmbeddingOptions = field(default_factory=EmbeddingOptions)


class Embedder(EngineOwner[engines.Embedder]):
    """Base of `TextEmbedder`, `ImageEmbedder` and `AudioEmbedder`; thread-safe, with one interpreter per thread."""

    options_type: ClassVar[type[EmbedderOptions]] = EmbedderOptions
    _noun = "embedder"

    @classmethod
    def create_from_file(cls, file_path: str) -> Self:
        """Opens an embedder with default options.

        Raises:
            InvalidArgumentError: The file is not a TFLite model, or not an embedder.
            MissingFileError: The file does not exist.
            SearcherError: The file is damaged or of a newer format.
        """
        return cls(cls.options_type(BaseOptions(file_path)))

    @classmethod
    def create_from_options(cls, options: EmbedderOptions) -> Self:
        """Opens an embedder. It raises the errors of `create_from_file`."""
        return cls(options)

    def __init__(self, options: EmbedderOptions) -> None:
        """Opens the file in the options.

        Raises:
            InvalidArgumentError: An option or the model cannot be used.
            MissingFileError: The file does not exist.
            SearcherError: The file is damaged or of a newer format.
        """
        super().__init__(open_embedder(options.base_options, options.embedding_options))
        self._options = options

    @property
    def options(self) -> EmbedderOptions:
        """The options of the embedder."""
        return self._options

    @property
    def number_of_output_layers(self) -> int:
        """The number of embeddings per query: 1."""
        return 1

    def get_embedding_dimension(self, output_index: int) -> int:
        """Dimension of the embedding of an output; -1 if there is no such output."""
        return self.engine.dimension if output_index == 0 else -1

    def cosine_similarity(self, u: FeatureVector, v: FeatureVector) -> float:
        """The cosine of the angle between two embeddings, in `[-1, 1]`; larger is more similar.

        Raises:
            InvalidArgumentError: Only one of them is quantised, their dimensions differ, or one has norm 0.
        """
        return embeddings.cosine_similarity(u, v)

    def _result(self, vector: np.ndarray) -> EmbeddingResult:
        value = embeddings.quantize(vector) if self._options.embedding_options.quantize else vector
        return EmbeddingResult([Embedding(FeatureVector(value), 0)])
