"""Decodes sound files: the same code for training, embedding and queries."""

from __future__ import annotations

import importlib.util
import os
import wave
from typing import IO, Any

import numpy as np

from ..errors import InvalidArgumentError

HIGHEST_RATE = 768_000  # samples a second; the filter of a damaged header's rate could take any memory
MOST_SECONDS = 3600.0  # of a sound that is read at once
INSTALL = "pip install 'pocket-searcher[sound]', or [video] for sounds in videos"
Source = str | os.PathLike[str] | IO[bytes]
Sound = tuple[np.ndarray, int]  # (n,) float32 samples and their rate


class UnreadableSoundError(InvalidArgumentError):
    """A sound cannot be decoded. The text is the reason, without the name of the file."""


def decode(source: Source, start: float = 0.0, seconds: float | None = None) -> Sound:
    """Decodes a sound; of several channels, the mean is taken.

    soundfile reads WAV, FLAC, Ogg and MP3, and PyAV whatever FFmpeg reads, such as the sound of a video. Without both, plain WAV files are
    read all the same.

    Args:
        source: A path, or an open file.
        start: Where to begin, in seconds.
        seconds: How much to read; None reads to the end.

    Returns:
        `(n,)` float32 samples, 1 is full scale, and the samples per second.

    Raises:
        UnreadableSoundError: The sound cannot be read, is empty, has a value that is not finite, or lasts longer than an hour.
        FileNotFoundError: The file does not exist.
    """
    if isinstance(source, (str, os.PathLike)):
        with _opened(source) as file:
            return decode(file, start, seconds)
    try:
        samples, rate = _decoded(source, start, seconds)
    except (UnreadableSoundError, FileNotFoundError):
        raise
    except MemoryError as error:
        raise UnreadableSoundError("too large for this machine's memory") from error
    except Exception as error:  # damaged files make the readers raise many kinds of errors
        raise UnreadableSoundError(f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}") from error
    if not len(samples):
        raise UnreadableSoundError("no sound in it" if start == 0 else f"no sound at {start:g} seconds")
    if not np.isfinite(samples).all():
        raise UnreadableSoundError("a sample is not finite")
    if not 0 < rate <= HIGHEST_RATE:
        raise UnreadableSoundError(f"its header says {rate} samples a second, expected at most {HIGHEST_RATE}")
    return samples, rate


def duration(path: str | os.PathLike[str]) -> float:
    """How long a sound lasts, in seconds, by its header.

    Raises:
        UnreadableSoundError: The sound cannot be read.
        FileNotFoundError: The file does not exist.
    """
    with _opened(path) as file:
        try:
            if _is_installed("soundfile"):
                import soundfile

                try:
                    found = soundfile.info(file)
                    return float(found.frames / found.samplerate)
                except soundfile.LibsndfileError:
                    file.seek(0)
            if _is_installed("av"):
                import av

                with av.open(file) as container:
                    return _length(container)
            with wave.open(file) as plain:
                return plain.getnframes() / plain.getframerate()
        except UnreadableSoundError:
            raise
        except Exception as error:
            raise UnreadableSoundError(_reason(file, error)) from error


def _opened(path: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableSoundError(f"cannot be opened: {error.strerror}") from error


def _decoded(file: IO[bytes], start: float, seconds: float | None) -> Sound:
    if _is_installed("soundfile"):
        import soundfile

        try:
            with soundfile.SoundFile(file) as sound:
                _check_length(sound.frames / sound.samplerate - start, seconds)
                sound.seek(min(round(start * sound.samplerate), sound.frames))
                count = -1 if seconds is None else round(seconds * sound.samplerate)
                return _mono(sound.read(count, dtype="float32", always_2d=True)), int(sound.samplerate)
        except soundfile.LibsndfileError as error:
            if not _is_installed("av"):
                raise UnreadableSoundError(_reason(file, error)) from error
            file.seek(0)
    if _is_installed("av"):
        return _by_av(file, start, seconds)
    try:
        return _by_wave(file, start, seconds)
    except (wave.Error, EOFError) as error:
        raise UnreadableSoundError(_reason(file, error)) from error


def _by_wave(file: IO[bytes], start: float, seconds: float | None) -> Sound:
    with wave.open(file) as sound:
        rate, width, channels = sound.getframerate(), sound.getsampwidth(), sound.getnchannels()
        _check_length(sound.getnframes() / rate - start, seconds)
        sound.setpos(min(round(start * rate), sound.getnframes()))
        content = sound.readframes(sound.getnframes() if seconds is None else round(seconds * rate))
    raw = np.frombuffer(content[: len(content) // (width * channels) * width * channels], np.uint8).reshape(-1, width)
    if width == 1:
        values = (raw[:, 0].astype(np.float32) - 128) / 128
    else:  # the bytes of a number, the highest last, as the upper ones of 32 bits
        wide = np.zeros((len(raw), 4), np.uint8)
        wide[:, 4 - width :] = raw
        values = (wide.view("<i4")[:, 0] / np.float64(1 << 31)).astype(np.float32)
    return _mono(values.reshape(-1, channels)), rate


def _by_av(file: IO[bytes], start: float, seconds: float | None) -> Sound:
    import av

    try:
        container = av.open(file)
    except av.error.FFmpegError as error:
        raise UnreadableSoundError(_reason(file, error)) from error
    with container:
        if not container.streams.audio:
            raise UnreadableSoundError("no sound in it")
        stream = container.streams.audio[0]
        rate = int(stream.rate)
        _check_length(_length(container) - start, seconds)
        begin = float((stream.start_time or 0) * stream.time_base)  # some formats do not start their clock at 0
        if start > 0:
            container.seek(int((start + begin) * av.time_base))
        resampler = av.AudioResampler(format="fltp")
        first, last = round(start * rate), None if seconds is None else round((start + seconds) * rate)
        parts: list[np.ndarray] = []
        for frame in container.decode(stream):
            at = round((float(frame.time or 0.0) - begin) * rate)
            if last is not None and at >= last:
                break
            for part in resampler.resample(frame):
                values = _mono(part.to_ndarray().T)
                parts.append(values[max(0, first - at) : None if last is None else last - at])
    return (np.concatenate(parts) if parts else np.zeros(0, np.float32)), rate


def _length(container: Any) -> float:
    """The seconds of a container that PyAV has opened."""
    import av

    if not container.streams.audio:
        raise UnreadableSoundError("no sound in it")
    if container.duration is None:
        raise UnreadableSoundError("its header does not say how long it is")
    return float(container.duration / av.time_base)


def _check_length(rest: float, seconds: float | None) -> None:
    if min(rest, seconds if seconds is not None else rest) > MOST_SECONDS:
        raise UnreadableSoundError(f"{rest:.0f} seconds long, at most {MOST_SECONDS:.0f} are read at once; read a part of it")


def _mono(samples: np.ndarray) -> np.ndarray:
    """The mean of the channels, `(n,)` float32 of `(n, channels)`."""
    return np.ascontiguousarray(samples[:, 0] if samples.shape[1] == 1 else samples.mean(1, dtype=np.float32), np.float32)


def _reason(file: IO[bytes], error: Exception) -> str:
    try:
        file.seek(0)
        if not file.read(1):
            return "empty file"
    except (OSError, ValueError):
        pass
    if not _is_installed("soundfile") and not _is_installed("av"):
        return f"not a plain WAV file; other sounds need soundfile: {INSTALL}"
    return f"not a sound: {' '.join(str(error).split())[:120]}"


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
