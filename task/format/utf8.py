"""Text as a graph takes it."""

from __future__ import annotations

import numpy as np


def encode(text: str, max_bytes: int) -> np.ndarray:
    """UTF-8 bytes, cut between characters and zero padded: `(1, max_bytes)` uint8. What is no character becomes a question mark."""
    # A cut in the middle of a character would make it another one; decoding drops the rest of it.
    data = text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore").encode()
    padded = np.zeros((1, max_bytes), np.uint8)
    padded[0, : len(data)] = np.frombuffer(data, np.uint8)
    return padded
