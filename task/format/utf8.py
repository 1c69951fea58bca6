"""Encodes text for a graph."""

from __future__ import annotations

import numpy as np


def encode(text: str, max_bytes: int) -> np.ndarray:
    """UTF-8 bytes, cut between characters and padded with zeros: `(1, max_bytes)` uint8. Unpaired surrogates become question marks."""
    # The cut may be inside a character; decoding drops the incomplete one.
    data = text.encode("utf-8", "replace")[:max_bytes].decode("utf-8", "ignore").encode()
    padded = np.zeros((1, max_bytes), np.uint8)
    padded[0, : len(data)] = np.frombuffer(data, np.uint8)
    return padded
