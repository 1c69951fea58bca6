"""The `mel` sound encoder: statistics of a log-mel spectrogram, as graph operators. Nothing of it is trained; a head behind it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maker.graph.model import Model
from maker.graph.subgraph import Subgraph
from maker.workspace import atomic
from task.format.sound_format import SoundFormat

RATE = 16_000  # samples per second
HOP, FRAME = 200, 400  # samples: 12.5 and 25 ms
BANDS, LOWEST, HIGHEST = 48, 60.0, 7800.0  # mel bands, and the frequencies in Hz that they span
PARTS = 8  # of the time, of which each gets its own mean
CHANGES = tuple(range(1, 41))  # waves in the whole length: how regularly the loudness of a band changes
GROUP = 4  # bands whose changes are counted together
SILENCE = 1e-6  # power that counts as silence
EMBEDDING = "mel"


def write_mel(path: Path, seconds: float) -> SoundFormat:
    """Writes the encoder as a `.tflite`, from `[1, samples]` float32 to the statistics `[1, f]` float32, and returns what it takes.

    The statistics are the loudness of each band in each part of the time, which say pitch and how it moves; how much the loudness of a
    group of bands swings at each rate (the modulation spectrum; Greenberg, Kingsbury, ICASSP 1997), which says fast and slow; and how much
    each band changes from frame to frame, which tells noise from tones.

    Args:
        path: The file to write.
        seconds: Length of a sound; it is rounded to whole frames.
    """
    blocks = max(2 * PARTS, round(seconds * RATE / HOP))
    model = Model("mel")
    g = model.subgraph("mel")
    query = g.tensor("query", (1, blocks * HOP), np.float32)
    model.signature(g, {"query": query}, {EMBEDDING: _statistics(g, _log_mel(g, query, blocks), blocks - 1)})
    with atomic(path) as temporary:
        model.write(temporary)
    return SoundFormat(RATE, blocks * HOP)


def _log_mel(g: Subgraph, query: int, blocks: int) -> int:
    """`[frames, BANDS]`: the logarithm of the power of each band in each frame."""
    halves = g.reshape(query, (blocks, HOP))
    frames = g.concat([g.slice(halves, (0, 0), (blocks - 1, HOP)), g.slice(halves, (1, 0), (blocks - 1, HOP))], axis=1)
    window = np.hanning(FRAME + 1)[:-1]
    bins = FRAME // 2 + 1
    angles = 2 * np.pi * np.outer(np.arange(bins), np.arange(FRAME)) / FRAME
    waves = np.concatenate([np.cos(angles), np.sin(angles)]) * window
    spectrum = g.fully_connected(frames, waves.astype(np.float32))
    squares = g.mul(spectrum, spectrum)
    power = g.add(g.slice(squares, (0, 0), (blocks - 1, bins)), g.slice(squares, (0, bins), (blocks - 1, bins)))
    mel = g.fully_connected(power, (_bands(bins) / (window**2).sum()).astype(np.float32))
    return g.log(g.add(mel, np.array(SILENCE, np.float32)))


def _statistics(g: Subgraph, log_mel: int, frames: int) -> int:
    """`[1, f]` of `[frames, BANDS]`."""
    over_time = g.transpose(log_mel, (1, 0))
    place = np.minimum(np.arange(frames) * PARTS // frames, PARTS - 1)
    members = (place == np.arange(PARTS)[:, None]).astype(np.float32)
    levels = g.fully_connected(over_time, members / members.sum(1, keepdims=True))
    angles = 2 * np.pi * np.outer(CHANGES, np.arange(frames)) / frames
    swings = [g.fully_connected(over_time, (f(angles) / frames).astype(np.float32)) for f in (np.cos, np.sin)]
    power = g.add(g.mul(swings[0], swings[0]), g.mul(swings[1], swings[1]))
    grouped = g.mean(g.reshape(power, (BANDS // GROUP, GROUP, len(CHANGES))), axis=1)
    changes = g.log(g.add(grouped, np.array(SILENCE, np.float32)))
    steps = g.sub(g.slice(log_mel, (1, 0), (frames - 1, BANDS)), g.slice(log_mel, (0, 0), (frames - 1, BANDS)))
    roughness = g.log(g.add(g.mean(g.mul(steps, steps), axis=0), np.array(SILENCE, np.float32)))
    parts = [(levels, BANDS * PARTS), (changes, BANDS // GROUP * len(CHANGES)), (roughness, BANDS)]
    return g.concat([g.reshape(values, (1, size)) for values, size in parts], axis=1)


def _bands(bins: int) -> np.ndarray:
    """The weights of the triangular bands, `(BANDS, bins)`, each with a sum of 1 (Davis, Mermelstein, 1980)."""
    mel = np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.arange(bins) * RATE / FRAME
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = np.maximum(0, np.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle)))
    empty = np.flatnonzero(weights.sum(1) == 0)  # bands narrower than a bin take the nearest one
    weights[empty, np.rint(edges[1:-1][empty] * FRAME / RATE).astype(int)] = 1
    return weights / weights.sum(1, keepdims=True)


def _mel(frequency: float) -> float:
    return float(2595 * np.log10(1 + frequency / 700))
