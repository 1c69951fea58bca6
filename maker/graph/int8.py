"""int8 rows with a scale each, as tables are stored in graphs."""

from __future__ import annotations

import numpy as np

SMALLEST = np.float32(1e-30)


def int8_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds rows to int8.

    Args:
        rows: `(n, d)` float32.

    Returns:
        `(n, d)` int8 in `[-127, 127]` and `(n,)` float32 scales, each row's largest magnitude / 127; a row is about scale * codes.
    """
    scales = np.maximum(rows.max(1), -rows.min(1)).astype(np.float32) / np.float32(127)
    scales[scales < SMALLEST] = 0  # its inverse would not be finite
    inverse = np.where(scales > 0, 1.0 / np.where(scales > 0, scales, 1.0), 0.0).astype(np.float32)
    scaled = rows * inverse[:, None]
    return np.rint(scaled, out=scaled).astype(np.int8), scales


def int8_table(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Rounds rows to int8 with one scale for all, as a tensor carries it: `(n, d)` int8 in `[-127, 127]`, and the scale."""
    scale = float(np.abs(rows).max(initial=0)) / 127
    if scale < SMALLEST:
        return np.zeros(rows.shape, np.int8), 1.0
    return np.rint(rows / np.float32(scale)).astype(np.int8), scale
