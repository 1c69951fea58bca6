"""Resizes images as the Task Library does, in 16.16 fixed-point arithmetic, so that embeddings equal those made on a phone.

The sampling positions are those of libyuv: between pixel centres to shrink an axis, from the first to the last pixel to enlarge it, and at
single pixels if the ratio is 1 or odd. Shrinking skips pixels, so fine patterns alias.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ONE = 1 << 16
HALF = ONE // 2


class _Axis(NamedTuple):
    """The sampling of an axis: first position and step, in 65,536ths of a pixel."""

    start: int
    step: int

    def places(self, count: int) -> np.ndarray:
        """The positions of `count` samples."""
        return self.start + np.arange(count, dtype=np.int64) * self.step


def resize_fixed(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes an image.

    Args:
        pixels: `(h, w, 3)` uint8.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        `(height, width, 3)` uint8.
    """
    source_height, source_width = pixels.shape[:2]
    across, down = source_width > 1, source_width > 1  # whether to interpolate between columns and rows
    if source_height in (1, height, 3 * height):
        down = False
        across = across and source_width not in (width, 3 * width)
    if across:
        x = _between(source_width, width)
        y = _between(source_height, height) if down else _within(source_height, height)
    else:
        x, y = _within(source_width, width), _within(source_height, height)
        down = False
    whole = (x.step | y.step) % ONE == 0
    if whole and x.step and y.step and x.step // ONE % 2 == 0 and y.step // ONE % 2 == 0:
        return _mean_of_four(pixels, y.places(height) >> 16, x.places(width) >> 16)
    if whole and (not x.step or not y.step or (x.step // ONE % 2 and y.step // ONE % 2)):
        across = down = False
    rows = y.places(height)
    if x.step == ONE and x.start % ONE == 0:
        rows = np.minimum(rows, max((source_height - 1) * ONE - 1, 0))
        return _mix_rows(pixels[:, x.start >> 16 :][:, :width], rows if down else rows >> 16 << 16)
    rows = np.minimum(rows, (source_height - 1) * ONE)
    if not down:
        rows = rows >> 16 << 16
    if not across:
        return np.ascontiguousarray(pixels[rows >> 16][:, x.places(width) >> 16])
    if y.step < ONE:
        return _mix_rows(_mix_columns(pixels, x.places(width)), rows)
    return _mix_columns(_mix_rows(pixels, rows), x.places(width))


def _between(source: int, target: int) -> _Axis:
    """Samples between pixels."""
    if target <= source:
        step = source * ONE // target
        return _Axis(step // 2 - HALF, step)
    if source > 1 and target > 1:
        return _Axis(0, (source * ONE - ONE - 1) // (target - 1))
    return _Axis(0, 0)


def _within(source: int, target: int) -> _Axis:
    """Samples at pixels."""
    step = source * ONE // target
    return _Axis(step // 2, step)


def _mix_columns(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolates between two columns, with weights of 7 bits that sum to 127."""
    left = places >> 16
    right = np.minimum(left + 1, pixels.shape[1] - 1)
    share = (places >> 9 & 127).astype(np.uint16)[:, None]
    mixed: np.ndarray = pixels[:, left] * (127 - share) + pixels[:, right] * share
    return (mixed >> 7).astype(np.uint8)


def _mix_rows(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolates between two rows, with weights of 8 bits, rounded."""
    top = places >> 16
    bottom = np.minimum(top + 1, pixels.shape[0] - 1)
    share = (places >> 8 & 255).astype(np.uint32)[:, None, None]
    mixed: np.ndarray = pixels[top] * (256 - share) + pixels[bottom] * share + 128
    return (mixed >> 8).astype(np.uint8)


def _mean_of_four(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The mean of four pixels: at each position, below, to the right, and both."""
    wide = pixels.astype(np.uint16)
    upper, lower = wide[rows], wide[rows + 1]
    total: np.ndarray = upper[:, columns] + upper[:, columns + 1] + lower[:, columns] + lower[:, columns + 1]
    return (total + 2 >> 2).astype(np.uint8)
