"""Embeds images."""

from __future__ import annotations

from dataclasses import dataclass

from ..embedder import Embedder, EmbedderOptions
from ..processor.embeddings import EmbeddingResult
from ..processor.options import BoundingBox
from .query import query_pixels
from .tensor_image import TensorImage


@dataclass
class ImageEmbedderOptions(EmbedderOptions):
    """Options of an `ImageEmbedder`."""


class ImageEmbedder(Embedder):
    """Embeds images, with an encoder file, a searcher file or a Task Library model.

    Examples:
        >>> from task.vision import ImageEmbedder, TensorImage
        >>> with ImageEmbedder.create_from_file("searcher.tflite") as embedder:
        ...     (embedding,) = embedder.embed(TensorImage.create_from_file("query.jpg")).embeddings
        >>> embedding.feature_vector.value.shape
        (16,)
    """

    options_type = ImageEmbedderOptions

    def embed(self, image: TensorImage, bounding_box: BoundingBox | None = None) -> EmbeddingResult:
        """Embeds an image.

        Args:
            image: The image, of any size.
            bounding_box: The region to embed; the whole image if None.

        Returns:
            One embedding, `(d,)` float32; with `embedding_options.quantize`, int8 stored as uint8.

        Raises:
            InvalidArgumentError: The file does not embed images, or the box is not within the image.
        """
        engine = self.engine
        return self._result(engine.embed_image(query_pixels(image, bounding_box, engine)))
