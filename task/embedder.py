"""What text and image embedders have in common: options, life cycle and post-processing."""

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
        base_options: Where the file is and how it is run.
        embedding_options: How embeddings are post-processed.
    """

    base_options: BaseOptions
    embedding_options: EmbeddingOptions = field(default_factory=EmbeddingOptions)


class Embedder(EngineOwner[engines.Embedder]):
    """Base of `TextEmbedder` and `ImageEmbedder`; safe to use from several threads, each with an interpreter of its own."""

    options_type: ClassVar[type[EmbedderOptions]] = EmbedderOptions
    _noun = "embedder"

    @classmethod
    def create_from_file(cls, file_path: str) -> Self:
        """Opens an embedder with default options.

        Raises:
            InvalidArgumentError: It is no TFLite model, or none that embeds.
            MissingFileError: There is no such file.
            SearcherError: The file is damaged or of a newer format.
        """
        return cls(cls.options_type(BaseOptions(file_path)))

    @classmethod
    def create_from_options(cls, options: EmbedderOptions) -> Self:
        """Opens an embedder; raises as `create_from_file` does."""
        return cls(options)

    def __init__(self, options: EmbedderOptions) -> None:
        """Opens the file that the options name.

        Raises:
            InvalidArgumentError: An option or the model cannot be used.
            MissingFileError: There is no such file.
            SearcherError: The file is damaged or of a newer format.
        """
        super().__init__(open_embedder(options.base_options, options.embedding_options))
        self._options = options

    @property
    def options(self) -> EmbedderOptions:
        """The options that the embedder was made with."""
        return self._options

    @property
    def number_of_output_layers(self) -> int:
        """How many embeddings a query gives."""
        return 1

    def get_embedding_dimension(self, output_index: int) -> int:
        """Length of the embedding of an output; -1 where there is no such output."""
        return self.engine.dimension if output_index == 0 else -1

    def cosine_similarity(self, u: FeatureVector, v: FeatureVector) -> float:
        """The cosine of the angle between two embeddings, in `[-1, 1]`; larger is more alike.

        Raises:
            InvalidArgumentError: One is quantised and the other is not, their lengths differ, or one has no direction.
        """
        return embeddings.cosine_similarity(u, v)

    def _result(self, vector: np.ndarray) -> EmbeddingResult:
        value = embeddings.quantize(vector) if self._options.embedding_options.quantize else vector
        return EmbeddingResult([Embedding(FeatureVector(value), 0)])
