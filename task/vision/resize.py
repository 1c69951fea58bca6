"""The one definition of resizing: what training, corpus embedding and queries in Python all use."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

NAME = "triangle"  # how the manifest calls it
BILINEAR = "bilinear"  # what Task Library models expect


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Stretches an image to a size with a triangle filter, widened when shrinking so that nothing aliases.

    The aspect ratio is not kept, as in the Task Library. Enlarging, this is bilinear interpolation between pixel centres; shrinking, it
    is what Pillow calls BILINEAR. Each axis is one matrix product.

    Args:
        pixels: `(h, w, 3)` uint8.
        height: Rows wanted.
        width: Columns wanted.

    Returns:
        `(height, width, 3)` uint8, rounded half to even.
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


def resize_as(name: str, pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Stretches an image as an engine wants it.

    Args:
        name: `triangle`, as `resize` does, or `bilinear`, as the Task Library does.
        pixels: `(h, w, 3)` uint8.
        height: Rows wanted.
        width: Columns wanted.

    Returns:
        `(height, width, 3)` uint8.
    """
    if name != BILINEAR:
        return resize(pixels, height, width)
    from ..task_library.resize_fixed import resize_fixed  # only Task Library models, which are opened with this folder, ask for it

    return resize_fixed(pixels, height, width)


def _apply_banded(rows: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """`rows @ flat`, touching only the source rows that an output row draws on: a photo of 12 megapixels is mostly zeros else."""
    result = np.empty((len(rows), flat.shape[1]), np.float32)
    for target, weights in enumerate(rows):
        used = np.flatnonzero(weights)
        band = slice(used[0], used[-1] + 1)
        result[target] = weights[band] @ flat[band].astype(np.float32)
    return result


@lru_cache(maxsize=64)
def _weights(source: int, target: int) -> np.ndarray:
    """`(target, source)` float32; each row holds the shares of the source pixels and sums to 1."""
    scale = source / target
    support = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(np.arange(source)[None] + 0.5 - centres[:, None]) / support
    weights = np.maximum(1.0 - distance, 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
