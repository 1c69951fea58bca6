"""Synthesises one event of a sample sound."""

from __future__ import annotations

import numpy as np

RATE = 16_000  # samples per second
PITCHES = {"low": (150.0, 260.0), "middle": (500.0, 800.0), "high": (1800.0, 3000.0)}  # Hz
# The names of each kind.
KINDS = {
    "tone": ("tone", "hum", "steady note"),
    "buzz": ("buzz", "buzzing", "drone"),
    "rise": ("rising sweep", "tone that goes up", "rising siren"),
    "fall": ("falling sweep", "tone that goes down", "falling siren"),
    "hiss": ("hiss", "rushing noise", "wind"),
    "fast clicks": ("fast clicks", "rapid ticking", "quick clicks"),
    "slow clicks": ("slow clicks", "slow ticking", "unhurried clicks"),
    "fast beeps": ("fast beeps", "rapid beeping", "quick beeps"),
    "slow beeps": ("slow beeps", "slow beeping", "unhurried beeps"),
    "warble": ("warble", "trembling tone", "vibrato"),
    "chord": ("chord", "several notes together", "harmony"),
    "bell": ("bell", "chime", "ding"),
}
FADE = 0.01  # seconds at both ends


def synthesise(kind: str, pitch: str, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """The samples of an event, `(n,)` float64 whose largest value is 1.

    Args:
        kind: A key of `KINDS`.
        pitch: A key of `PITCHES`.
        seconds: Its length.
        rng: Chooses the exact pitch and speed.
    """
    time = np.arange(round(seconds * RATE)) / RATE
    frequency = float(np.exp(rng.uniform(*np.log(PITCHES[pitch]))))
    samples = _samples(kind, frequency, time, rng)
    samples *= np.clip(np.minimum(time, time[-1] - time) / FADE, 0, 1)
    return samples / np.abs(samples).max()


def _samples(kind: str, frequency: float, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = time / time[-1]
    if kind == "buzz":
        return np.sum([_wave(frequency * n, time) / n for n in range(1, 9)], axis=0)
    if kind in ("rise", "fall"):
        octave = share - 0.5 if kind == "rise" else 0.5 - share
        return np.sin(2 * np.pi * np.cumsum(frequency * 2 ** (1.2 * octave)) / RATE)
    if kind == "hiss":
        return _band(rng.normal(size=len(time)), frequency)
    if kind.endswith("clicks"):
        beat = 1 / rng.uniform(*((14, 18) if kind.startswith("fast") else (3.5, 5)))
        return _wave(frequency, time) * np.exp(-(time % beat) / 0.006)
    if kind.endswith("beeps"):
        beat = 1 / rng.uniform(*((5.5, 7) if kind.startswith("fast") else (2, 2.8)))
        return _wave(frequency, time) * (time % beat < beat / 2)
    if kind == "warble":
        swing = 1 + 0.25 * np.sin(2 * np.pi * rng.uniform(5, 7) * time)
        return np.sin(2 * np.pi * np.cumsum(frequency * swing) / RATE)
    if kind == "chord":
        return np.sum([_wave(frequency * ratio, time) for ratio in (1, 1.5, 2)], axis=0)
    if kind == "bell":
        return np.sum([_wave(frequency * ratio, time) for ratio in (1, 2.76)], axis=0) * np.exp(-5 * share)
    return _wave(frequency, time)


def _wave(frequency: float, time: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * time) if frequency < RATE / 2 else np.zeros_like(time)


def _band(noise: np.ndarray, middle: float) -> np.ndarray:
    """Noise of two octaves around a frequency."""
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
    return np.fft.irfft(spectrum * ((frequency > middle / 2) & (frequency < middle * 2)), len(noise))
