"""Image queries: crops a region and resizes it for a model."""

from __future__ import annotations

import numpy as np

from ..errors import ArgumentTypeError, InvalidArgumentError
from ..processor.options import BoundingBox
from ..search.engine import Embedder
from .resize import prepare
from .tensor_image import TensorImage


def query_pixels(image: TensorImage, bounding_box: BoundingBox | None, embedder: Embedder) -> np.ndarray:
    """The pixels of a query, `(height, width, 3)` uint8, in the size that the embedder takes.

    Args:
        image: The image, of any size.
        bounding_box: The region to use; the whole image if None.
        embedder: The embedder.

    Raises:
        InvalidArgumentError: The embedder does not take images, `image` is not a TensorImage, or the box is not within the image.
    """
    height, width = embedder.image_size()
    if not isinstance(image, TensorImage):
        raise ArgumentTypeError(f"the query has to be a TensorImage, found {type(image).__name__}.")
    pixels = image.buffer
    if bounding_box is not None:
        box = bounding_box
        right, bottom = box.origin_x + box.width, box.origin_y + box.height
        if min(box.origin_x, box.origin_y) < 0 or min(box.width, box.height) < 1 or right > image.width or bottom > image.height:
            raise InvalidArgumentError(f"Invalid crop coordinates. {box} is not within {image.width} x {image.height} pixels.")
        pixels = pixels[box.origin_y : bottom, box.origin_x : right]
    return prepare(pixels, height, width, embedder.preparation)
