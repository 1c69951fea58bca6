"""Embeds sentences."""

from __future__ import annotations

from dataclasses import dataclass

from ..embedder import Embedder, EmbedderOptions
from ..processor.embeddings import EmbeddingResult


@dataclass
class TextEmbedderOptions(EmbedderOptions):
    """Options of a `TextEmbedder`."""


class TextEmbedder(Embedder):
    """Embeds sentences, with an encoder file, a searcher file or a Task Library model.

    >>> from task.text import TextEmbedder
    >>> with TextEmbedder.create_from_file("searcher.tflite") as embedder:
    ...     (a,), (b,) = (embedder.embed(text).embeddings for text in ("two white dogs", "Two  WHITE dogs"))
    >>> a.feature_vector.value.shape
    (16,)
    >>> round(embedder.cosine_similarity(a.feature_vector, b.feature_vector), 3)
    1.0
    """

    options_type = TextEmbedderOptions

    def embed(self, text: str) -> EmbeddingResult:
        """Embeds a sentence.

        Args:
            text: What lies beyond the length that the file reads is ignored. It may be empty.

        Returns:
            One embedding, `(d,)` float32, or int8 stored as uint8 where `embedding_options.quantize` is set.

        Raises:
            InvalidArgumentError: The file embeds no text, or `text` is no str.
        """
        return self._result(self.engine.embed_text(text))
