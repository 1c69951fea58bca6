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

    Examples:
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
            text: The sentence; it may be empty. Text beyond the maximum length of the file is ignored.

        Returns:
            One embedding, `(d,)` float32; with `embedding_options.quantize`, int8 stored as uint8.

        Raises:
            InvalidArgumentError: The file does not embed text, or `text` is not a str.
        """
        return self._result(self.engine.embed_text(text))
