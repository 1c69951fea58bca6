"""The views of a picture: the whole, then crops, whose mean features say more than those of the whole alone."""

from __future__ import annotations

import numpy as np

SIDE = 0.7  # of a crop, relative to the picture's
# Where each crop lies between the top left corner, (0, 0), and the bottom right one, (1, 1).
PLACES = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5))
MOST_VIEWS = 1 + len(PLACES)


def views_of(pixels: np.ndarray, count: int) -> list[np.ndarray]:
    """The first `count` views of a picture.

    Args:
        pixels: `(height, width, 3)` uint8.
        count: 1 for the whole picture alone, up to `MOST_VIEWS`.

    Returns:
        The whole picture and `count - 1` crops: the corners, then the centre.
    """
    height, width = pixels.shape[:2]
    rows, columns = (max(1, round(SIDE * side)) for side in (height, width))
    crops = []
    for down, right in PLACES[: count - 1]:
        top, left = round(down * (height - rows)), round(right * (width - columns))
        crops.append(pixels[top : top + rows, left : left + columns])
    return [pixels, *crops]
