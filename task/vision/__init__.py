"""Search by an image."""

from .image_searcher import ImageSearcher, ImageSearcherOptions
from .tensor_image import TensorImage

__all__ = ["ImageSearcher", "ImageSearcherOptions", "TensorImage"]
