"""Search by an image."""

from ..search.query import Query
from .image_embedder import ImageEmbedder, ImageEmbedderOptions
from .image_searcher import ImageSearcher, ImageSearcherOptions
from .tensor_image import TensorImage

__all__ = ["ImageEmbedder", "ImageEmbedderOptions", "ImageSearcher", "ImageSearcherOptions", "Query", "TensorImage"]
