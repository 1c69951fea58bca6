"""Records from a microphone."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..errors import InvalidArgumentError


class AudioRecord:
    """Keeps the newest samples of a microphone, as the Task Library's class of this name does. It needs the package sounddevice."""

    def __init__(self, channels: int, sampling_rate: int, buffer_size: int) -> None:
        """Prepares a record.

        Args:
            channels: Number of channels of the microphone.
            sampling_rate: Samples per second.
            buffer_size: How many samples to keep.

        Raises:
            InvalidArgumentError: A number is not above 0, or sounddevice or its PortAudio library is not installed.
        """
        if min(channels, sampling_rate, buffer_size) < 1:
            raise InvalidArgumentError(
                f"channels, sampling_rate and buffer_size have to be above 0, found {channels}, {sampling_rate} and {buffer_size}."
            )
        try:
            import sounddevice  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except (ImportError, OSError) as error:  # OSError: PortAudio is missing
            raise InvalidArgumentError(f"recording needs sounddevice and PortAudio ({error}): pip install sounddevice") from error
        self._sampling_rate = sampling_rate
        self._kept = np.zeros((0, channels), np.float32)
        self._size, self._lock = buffer_size, threading.Lock()
        self._stream = sounddevice.InputStream(samplerate=sampling_rate, channels=channels, dtype="float32", callback=self._hear)

    @property
    def sampling_rate(self) -> int:
        """Samples per second."""
        return self._sampling_rate

    def start_recording(self) -> None:
        """Starts to listen, with nothing kept."""
        with self._lock:
            self._kept = self._kept[:0]
        self._stream.start()

    def stop(self) -> None:
        """Stops to listen. What was heard is kept."""
        self._stream.stop()

    def read(self, size: int) -> np.ndarray:
        """The newest samples, at most `size`, `(n, channels)` float32."""
        with self._lock:
            return self._kept[max(0, len(self._kept) - size) :].copy()

    def _hear(self, heard: np.ndarray, frames: int, time: Any, status: Any) -> None:
        with self._lock:
            self._kept = np.concatenate([self._kept, heard])[-self._size :]
