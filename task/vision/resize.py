"""Resizes and crops images: the same code for training, embedding and queries."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..format.preparation import CENTER_EVEN, TASK_LIBRARY, TRIANGLE, WHOLE, Preparation
from .pillow_filters import resize_region


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes an image with a triangle filter, which is wider for smaller results to avoid aliasing.

    The aspect ratio is not kept, as in the Task Library. To enlarge, this is bilinear interpolation between pixel centres; to reduce, it is
    the filter BILINEAR of Pillow. Each axis is one matrix product.

    Args:
        pixels: `(h, w, 3)` uint8.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        `(height, width, 3)` uint8, halves rounded to even.
    """
    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels)
    rows, columns = _weights(pixels.shape[0], height), _weights(pixels.shape[1], width)
    flat = pixels.reshape(pixels.shape[0], -1)
    if flat.shape[0] > 2 * height:
        tall = _apply_banded(rows, flat)
    else:
        tall = rows @ flat.astype(np.float32)
    both = columns @ tall.reshape(height, pixels.shape[1], -1)
    return np.clip(np.rint(both), 0, 255).astype(np.uint8)


def prepare(pixels: np.ndarray, height: int, width: int, preparation: Preparation) -> np.ndarray:
    """Brings an image to the size of a query.

    Args:
        pixels: `(h, w, 3)` uint8.
        height: Rows of the result.
        width: Columns of the result.
        preparation: How.

    Returns:
        `(height, width, 3)` uint8.
    """
    if preparation.resize == TASK_LIBRARY:
        from ..task_library.resize_fixed import resize_fixed  # only for Task Library models, which need that package anyway

        return resize_fixed(pixels, height, width)
    whole, top_left = (height, width), (0, 0)
    if preparation.crop != WHOLE:
        whole = _shortest_side(pixels.shape[0], pixels.shape[1], preparation.shortest_side)
        even = preparation.crop == CENTER_EVEN
        top_left = _margin(whole[0] - height, even), _margin(whole[1] - width, even)
    if preparation.resize == TRIANGLE:
        resized = resize(pixels, *whole)
        return np.ascontiguousarray(resized[top_left[0] : top_left[0] + height, top_left[1] : top_left[1] + width])
    return resize_region(pixels, whole, top_left, (height, width), preparation.resize)


def _shortest_side(height: int, width: int, side: int) -> tuple[int, int]:
    """The size of an image whose shortest side becomes `side`; the other one is rounded down."""
    longest = side * max(height, width) // min(height, width)
    return (side, longest) if height <= width else (longest, side)


def _margin(surplus: int, to_even: bool) -> int:
    """What is cut at the top or left."""
    return round(surplus / 2) if to_even else surplus // 2


def _apply_banded(rows: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Computes `rows @ flat` from the source rows with non-zero weights only: for large photos most weights are 0."""
    result = np.empty((len(rows), flat.shape[1]), np.float32)
    for target, weights in enumerate(rows):
        used = np.flatnonzero(weights)
        band = slice(used[0], used[-1] + 1)
        result[target] = weights[band] @ flat[band].astype(np.float32)
    return result


@lru_cache(maxsize=64)
def _weights(source: int, target: int) -> np.ndarray:
    """The weights of source pixels for each target pixel, `(target, source)` float32; each row sums to 1."""
    scale = source / target
    support = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(np.arange(source)[None] + 0.5 - centres[:, None]) / support
    weights = np.maximum(1.0 - distance, 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
