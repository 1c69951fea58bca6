"""Changes the sample rate of sounds, in NumPy, with the same result on every machine.

The signal is filtered with a sinc in a Kaiser window; each output sample takes the phase of the filter that belongs to its place (Smith,
"Digital Audio Resampling Home Page", CCRMA, 2002; Crochiere, Rabiner, "Multirate Digital Signal Processing", 1983). Window and length are
those of SciPy's `resample_poly`.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np

ZEROS = 10  # zero crossings of the sinc on each side
BETA = 5.0  # of the Kaiser window
BLOCK = 1 << 21  # products computed at a time


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Changes the sample rate.

    Args:
        samples: `(n,)` float32.
        from_rate: Its samples per second.
        to_rate: The samples per second of the result.

    Returns:
        `(ceil(n * to_rate / from_rate),)` float32. Frequencies above half of the lower rate are filtered out.
    """
    if from_rate == to_rate or not len(samples):
        return np.asarray(samples, np.float32)
    common = gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    phases = _phases(up, down)
    taps = phases.shape[1]
    count = -(-len(samples) * up // down)
    before = taps // 2
    padded = np.concatenate([np.zeros(before), np.asarray(samples, np.float64), np.zeros(taps)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    result = np.empty(count, np.float32)
    block = max(1, BLOCK // taps)
    for start in range(0, count, block):
        place = np.arange(start, min(start + block, count), dtype=np.int64) * down
        result[start : start + block] = np.einsum("nt,nt->n", windows[place // up], phases[place % up])
    return result


@lru_cache(maxsize=8)
def _phases(up: int, down: int) -> np.ndarray:
    """The filter of each phase, `(up, taps)` float64: of an output sample `phase / up` behind an input sample. Each row sums to 1."""
    lower = min(1.0, up / down)  # cut-off, relative to the input's
    half = int(np.ceil(ZEROS / lower))
    distance = np.arange(-half, half + 1)[None] - (np.arange(up) / up)[:, None]
    inside = np.clip(1.0 - (distance / (half + 1)) ** 2, 0.0, None)
    weights = np.sinc(distance * lower) * np.i0(BETA * np.sqrt(inside))
    return weights / weights.sum(1, keepdims=True)
