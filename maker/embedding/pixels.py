"""Images of one size in memory, to train a network from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from maker.data.images import load_image
from maker.errors import DataError
from maker.progress import progress
from maker.workspace import Rejects
from task.vision.resize import resize


def image_pixels(folder: Path, images: Sequence[str], size: int, rejects: Rejects) -> tuple[list[str], np.ndarray]:
    """Decodes images and resizes them to a square.

    Args:
        folder: The folder that paths are relative to.
        images: Paths of the images.
        size: Height and width of the result, in pixels.
        rejects: Gets the images that cannot be read.

    Returns:
        The images that could be read, and `(n, size, size, 3)` uint8.

    Raises:
        DataError: None of the images can be read.
    """

    def load(image: str) -> np.ndarray | str:
        try:
            return resize(load_image(folder / image), size, size)
        except DataError as error:
            return str(error)

    kept, pixels = [], []
    with ThreadPoolExecutor() as pool:
        for image, result in zip(images, progress(pool.map(load, images), "read images", total=len(images)), strict=True):
            if isinstance(result, str):
                rejects.add(image, result)
            else:
                kept.append(image)
                pixels.append(result)
    if not kept:
        raise DataError(f"{folder}: none of {len(images)} images can be read")
    return kept, np.stack(pixels)
