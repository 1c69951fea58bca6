"""int8 rows with a scale each, as tables are stored in graphs."""

from __future__ import annotations

import numpy as np


def int8_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds rows to int8.

    Args:
        rows: `(n, d)` float32.

    Returns:
        `(n, d)` int8 in `[-127, 127]` and `(n,)` float32 scales, each row's largest magnitude / 127; a row is about scale * codes.
    """
    scales = (np.abs(rows).max(1) / 127.0).astype(np.float32)
    steps = np.where(scales > 0, scales, 1.0)[:, None]
    return np.rint(rows / steps).astype(np.int8), scales
