"""Sounds for the audio tasks."""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np

from ..errors import InvalidArgumentError, MissingFileError
from ..format.sound_format import SoundFormat
from .decode import HIGHEST_RATE, UnreadableSoundError, decode
from .resample import resample

MOST_CHANNELS = 64  # an array of more is (channels, samples) by mistake
LARGEST = float(np.finfo(np.float32).max)
STEPS = 8  # of a query's length: how finely its loudest part is looked for


class Record(Protocol):
    """What a microphone has heard: `AudioRecord`, or another object with these two."""

    @property
    def sampling_rate(self) -> int:
        """Samples per second."""

    def read(self, size: int) -> np.ndarray:
        """The newest samples, at most `size`, `(n,)` or `(n, channels)` float32."""


class TensorAudio:
    """A sound in memory: one channel of samples at their own rate. Searchers and embedders bring it to the rate of their model."""

    def __init__(self, samples: np.ndarray, sample_rate: int) -> None:
        """Copies `(n,)` float32 samples, 1 is full scale. For other inputs use a `create_from_…` method."""
        self._samples = np.array(samples, np.float32, order="C")
        self._sample_rate = int(sample_rate)

    @classmethod
    def create_from_file(cls, file_name: str, start: float = 0.0, seconds: float | None = None) -> TensorAudio:
        """Reads a sound file, or the sound of a video.

        Args:
            file_name: The file. WAV needs no other package; more formats need soundfile or PyAV.
            start: Where to begin, in seconds.
            seconds: How much to read; None reads to the end.

        Raises:
            MissingFileError: The file does not exist.
            InvalidArgumentError: The sound cannot be read, or the package for its format is not installed.
        """
        try:
            return cls(*decode(file_name, start, seconds))
        except FileNotFoundError as error:
            raise MissingFileError(f"Unable to open file at {file_name}: no such file.") from error
        except UnreadableSoundError as error:
            raise InvalidArgumentError(f"{file_name}: cannot be read as a sound ({error}).") from error

    @classmethod
    def create_from_buffer(cls, buffer: bytes) -> TensorAudio:
        """Reads the bytes of a sound file, as `create_from_file` does.

        Raises:
            InvalidArgumentError: The sound cannot be read.
        """
        try:
            return cls(*decode(io.BytesIO(buffer)))
        except UnreadableSoundError as error:
            raise InvalidArgumentError(f"the buffer cannot be read as a sound ({error}).") from error

    @classmethod
    def create_from_array(cls, array: np.ndarray, sample_rate: int) -> TensorAudio:
        """Copies an array.

        Args:
            array: `(n,)` or `(n, channels)`, floats whose full scale is 1, or int16 or int32. Of several channels, the mean is taken.
            sample_rate: Samples per second.

        Raises:
            InvalidArgumentError: The array has another type or shape or a value that is not finite, or the rate is no whole number from
                1 to 768,000.
        """
        values = np.asarray(array)
        if values.dtype.kind == "f":
            scale = 1.0
        elif values.dtype in (np.dtype(np.int16), np.dtype(np.int32)):
            scale = float(-np.iinfo(values.dtype).min)
        else:
            scale = 0.0
        if not scale or values.ndim not in (1, 2) or not values.size:
            raise InvalidArgumentError(
                f"the array is {values.dtype} {values.shape}, expected floats, int16 or int32 of (samples,) or (samples, channels)."
            )
        if values.ndim == 2 and values.shape[1] > max(len(values), MOST_CHANNELS):
            raise InvalidArgumentError(f"the array is {values.shape}, expected (samples, channels); transpose it.")
        if not np.isfinite(values).all() or np.abs(values).max() > LARGEST:
            raise InvalidArgumentError("the array has a sample that is not finite in float32.")
        is_number = isinstance(sample_rate, (int, float, np.number))
        if not is_number or not 0 < sample_rate <= HIGHEST_RATE or sample_rate != int(sample_rate):
            raise InvalidArgumentError(f"the sample rate has to be a whole number from 1 to {HIGHEST_RATE}, found {sample_rate!r}.")
        mono = values if values.ndim == 1 else values.mean(1, dtype=np.float64)
        return cls((mono / scale).astype(np.float32), int(sample_rate))

    @classmethod
    def create_from_record(cls, record: Record, seconds: float) -> TensorAudio:
        """Takes the newest seconds that a microphone has heard.

        Raises:
            InvalidArgumentError: It has heard nothing yet.
        """
        heard = np.asarray(record.read(max(1, round(seconds * record.sampling_rate))), np.float32)
        if not heard.size:
            raise InvalidArgumentError("the record has heard nothing yet; call start_recording() and wait.")
        return cls.create_from_array(heard, record.sampling_rate)

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self._sample_rate

    @property
    def seconds(self) -> float:
        """How long the sound lasts."""
        return len(self._samples) / self._sample_rate

    @property
    def buffer(self) -> np.ndarray:
        """The samples, `(n,)` float32, 1 is full scale."""
        return self._samples

    def samples_for(self, wanted: SoundFormat) -> np.ndarray:
        """The samples of a query, `(wanted.samples,)` float32.

        A shorter sound is filled up with silence at its end. Of a longer one, the loudest part of that length is taken.
        """
        samples = resample(self._samples, self._sample_rate, wanted.sample_rate)
        start = _loudest(samples, wanted.samples)
        return fitted(samples[start:], wanted.samples)


def fitted(samples: np.ndarray, count: int) -> np.ndarray:
    """The first `count` samples, filled up with silence at the end, `(count,)` float32."""
    result = np.zeros(count, np.float32)
    kept = samples[:count]
    result[: len(kept)] = kept
    return result


def _loudest(samples: np.ndarray, length: int) -> int:
    """Where the part of that length with the most energy begins; the first of equal ones."""
    if len(samples) <= length:
        return 0
    energy = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    starts = np.append(np.arange(0, len(samples) - length, max(1, length // STEPS)), len(samples) - length)
    return int(starts[np.argmax(energy[starts + length] - energy[starts])])
