"""Resizes images as Pillow does (`Resample.c`), bit by bit: whole numbers throughout, so that every platform gives the same bytes.

Columns come before rows, as in Pillow up to 12 and in torchvision. Pillow 13 takes the rows first where that is less work; a result then
differs by the rounding between the two.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

BITS = 22  # of a weight behind the point
HALF, ONE = float(1 << (BITS - 1)), float(1 << BITS)
SHARPNESS = -0.5  # Pillow's a (Keys, "Cubic convolution interpolation for digital image processing", 1981)
SUPPORT = {"pillow_bilinear": 1.0, "pillow_bicubic": 2.0}
TARGETS = 16  # computed in one matrix product
VALUES = 1 << 15  # of a line that one matrix product covers


def resize_region(pixels: np.ndarray, size: tuple[int, int], top_left: tuple[int, int], region: tuple[int, int], name: str) -> np.ndarray:
    """Resizes an image and keeps a region of the result; the rest is not computed.

    Args:
        pixels: `(h, w, 3)` uint8.
        size: Height and width of the whole result.
        top_left: The first row and column of the region in it.
        region: Height and width of the region.
        name: `pillow_bilinear` or `pillow_bicubic`.

    Returns:
        `(*region, 3)` uint8.
    """
    (height, width), (top, left), (rows, columns) = size, top_left, region
    across = [weights(pixels.shape[1], width, left + x, name) for x in range(columns)] if pixels.shape[1] != width else None
    down = [weights(pixels.shape[0], height, top + y, name) for y in range(rows)] if pixels.shape[0] != height else None
    if down is None:
        pixels = pixels[top : top + rows]
    else:  # only the rows that are looked at
        first = down[0][0]
        last = max(start + len(shares) for start, shares in down)
        pixels = pixels[first:last]
        down = [(start - first, shares) for start, shares in down]
    if across is None:
        pixels = pixels[:, left : left + columns]
    else:
        pixels = np.concatenate(
            [_across(pixels[at : at + step], across) for step in [_lines(pixels)] for at in range(0, len(pixels), step)]
        )
    if down is not None:
        pixels = _weighted(pixels.reshape(len(pixels), -1), down).reshape(rows, columns, -1)
    return np.ascontiguousarray(pixels)


def _lines(pixels: np.ndarray) -> int:
    """Rows of an image that are filtered at once, so that they stay in the processor's cache."""
    return max(1, VALUES // (pixels.shape[1] * 3) * 8)


def _across(lines: np.ndarray, across: list[tuple[int, np.ndarray]]) -> np.ndarray:
    count, width, channels = lines.shape
    columns = np.ascontiguousarray(lines.transpose(1, 0, 2)).reshape(width, count * channels)
    return _weighted(columns, across).reshape(len(across), count, channels).transpose(1, 0, 2)


def _weighted(values: np.ndarray, targets: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """Weighted sums of rows of `values` `(n, m)` uint8, one for each target: `(targets, m)` uint8.

    The sums are whole numbers below 2^31, so float64 holds them exactly.
    """
    result = np.empty((len(targets), values.shape[1]), np.uint8)
    for start in range(0, len(targets), TARGETS):
        some = targets[start : start + TARGETS]
        first = min(at for at, _ in some)
        last = max(at + len(shares) for at, shares in some)
        matrix = np.zeros((len(some), last - first))
        for row, (at, shares) in zip(matrix, some, strict=True):
            row[at - first : at - first + len(shares)] = shares
        sums = matrix @ values[first:last].astype(np.float64)
        result[start : start + len(some)] = np.clip(np.floor((sums + HALF) / ONE), 0, 255)
    return result


@lru_cache(maxsize=4096)
def weights(source: int, target: int, place: int, name: str) -> tuple[int, np.ndarray]:
    """The first source pixel of a target pixel, and the weights from there on: float64, whole numbers of 1 / 2^22."""
    scale = source / target
    stretch = max(scale, 1.0)
    support = SUPPORT[name] * stretch
    centre = (place + 0.5) * scale
    first = max(int(centre - support + 0.5), 0)
    last = min(int(centre + support + 0.5), source)
    distance = np.abs((np.arange(first, last) - centre + 0.5) * (1.0 / stretch))
    raw = _cubic(distance) if name == "pillow_bicubic" else np.maximum(1.0 - distance, 0.0)
    shares = raw / _sum(raw)
    return first, np.trunc(shares * ONE + np.where(shares < 0, -0.5, 0.5))


def _sum(values: np.ndarray) -> float:
    """From the first to the last, as Pillow adds them; NumPy's own order differs."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total


def _cubic(x: np.ndarray) -> np.ndarray:
    a = SHARPNESS
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
