"""What image tasks have in common: the region of an image, brought to the size that a model wants."""

from __future__ import annotations

import numpy as np

from ..errors import ArgumentTypeError, InvalidArgumentError
from ..processor.options import BoundingBox
from ..search.engine import Embedder
from .resize import resize_as
from .tensor_image import TensorImage


def query_pixels(image: TensorImage, bounding_box: BoundingBox | None, embedder: Embedder) -> np.ndarray:
    """The pixels that a model is asked with, `(height, width, 3)` uint8.

    Args:
        image: Of any size.
        bounding_box: The region that is meant; the whole image where None.
        embedder: What takes the pixels.

    Raises:
        InvalidArgumentError: It takes no images, `image` is none, or the box is not within the image.
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
    return resize_as(embedder.resampling, pixels, height, width)
