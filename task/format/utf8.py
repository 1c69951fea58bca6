"""Encodes text for a graph."""

from __future__ import annotations

import numpy as np


def encode(text: str, max_bytes: int) -> np.ndarray:
    """UTF-8 bytes, cut between characters and padded with zeros: `(1, max_bytes)` uint8. Unpaired surrogates become question marks."""
    data = text.encode("utf-8", "replace")
    if len(data) > max_bytes:
        data = data[:max_bytes].decode("utf-8", "ignore").encode()  # the cut may be inside a character; decoding drops the incomplete one
    return np.frombuffer(data.ljust(max_bytes, b"\0"), np.uint8)[None]
