"""Draws a sound as a picture: time from left to right, pitch from bottom to top, brighter where it is louder."""

from __future__ import annotations

import numpy as np

FRAME = 512  # samples that a column of the spectrum is made of
RANGE = 60.0  # decibels between black and white
WIDTH, HEIGHT = 256, 128  # pixels


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """The picture of `(n,)` float32 samples, `(HEIGHT, WIDTH, 3)` uint8 grey; loudness is relative to the loudest place."""
    padded = np.concatenate([np.asarray(samples, np.float32), np.zeros(FRAME, np.float32)])
    starts = np.linspace(0, max(0, len(samples) - FRAME), WIDTH).astype(int)
    frames = np.stack([padded[start : start + FRAME] for start in starts]) * np.hanning(FRAME).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, 1 : FRAME // 2 + 1]) ** 2
    # Rows of equal steps on the mel scale (O'Shaughnessy, "Speech Communication", 1987), so that low sounds have as much room as high ones.
    top = 2595 * np.log10(1 + FRAME // 2 / 44.8)
    edges = 44.8 * (10 ** (np.linspace(0, top, HEIGHT + 1) / 2595) - 1)
    rows = [power[:, int(low) : max(int(low) + 1, int(high))].mean(1) for low, high in zip(edges[:-1], edges[1:], strict=True)]
    decibels = 10 * np.log10(np.stack(rows)[::-1] + 1e-12)
    grey = np.clip((decibels - decibels.max() + RANGE) / RANGE, 0, 1)
    return np.repeat(np.rint(255 * grey).astype(np.uint8)[:, :, None], 3, axis=2)
