"""Sound files: finding them, cutting long ones into windows, reading them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from maker.data.folders import parts_below
from maker.errors import DataError
from maker.workspace import Rejects
from task.audio.decode import UnreadableSoundError, decode, duration
from task.audio.resample import resample
from task.audio.tensor_audio import fitted
from task.format.moment import Moment, moment_of
from task.format.sound_format import SoundFormat

SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".au", ".caf", ".wma", ".w64", ".rf64"}
)
OVERLAP = 0.5  # of a window with the one before
SPARE = 0.05  # of a window: what is longer by less is one window all the same


def is_sound_name(path: Path) -> bool:
    """Whether the suffix is that of a sound file."""
    return path.suffix.lower() in SUFFIXES


def list_sounds(folder: Path, rejects: Rejects, window: float) -> list[str]:
    """The sounds below a folder, by sorted relative paths; of a recording that is longer than a window, the names of its windows.

    Windows are as long as said, and each begins half a window after the one before; the last one ends with the recording.

    Args:
        folder: Where to look.
        rejects: Gets the files that cannot be read.
        window: Seconds of a window.

    Raises:
        DataError: The folder is missing or contains no sound that can be read.
    """
    return parts_below(folder, "sound", SUFFIXES, lambda file: windows(file, seconds_of(folder / file), window), rejects)


def seconds_of(file: Path) -> float:
    """The length of a recording.

    Raises:
        DataError: The file cannot be read; the text is the reason without the path.
    """
    try:
        return duration(file)
    except UnreadableSoundError as error:
        raise DataError(str(error)) from error


def windows(file: str, seconds: float, window: float) -> list[str]:
    """The names of the windows of a recording; its own name if it is no longer than one."""
    return [str(Moment(file, start, end)) for start, end in window_spans(seconds, window)] or [file]


def window_spans(seconds: float, window: float) -> list[tuple[float, float]]:
    """Start and end of the windows of a recording, in seconds; none if it is no longer than one."""
    if seconds <= window * (1 + SPARE):
        return []
    step = window * (1 - OVERLAP)
    starts = [number * step for number in range(int((seconds - window) / step) + 1)]
    if seconds - (starts[-1] + window) > SPARE * window:
        starts.append(seconds - window)
    return [(start, start + window) for start in starts]


def load_sound(sound: Path | bytes, wanted: SoundFormat) -> np.ndarray:
    """Reads a sound, or the part of a recording that its name says, as a tower takes it.

    Args:
        sound: The file, with the part of it in its name (`task.format.moment`), or the bytes of a file.
        wanted: Rate and number of samples.

    Returns:
        `(wanted.samples,)` float32, filled up with silence at the end.

    Raises:
        DataError: The file is missing or cannot be decoded; the text is the reason without the path.
    """
    moment = None if isinstance(sound, bytes) else moment_of(str(sound))
    file, start = (sound, 0.0) if moment is None else (Path(moment.file), moment.start)
    try:
        samples, rate = decode(io.BytesIO(file) if isinstance(file, bytes) else file, start, wanted.seconds)
    except UnreadableSoundError as error:
        raise DataError(str(error)) from error
    except FileNotFoundError as error:
        raise DataError("missing file") from error
    return fitted(resample(samples, rate, wanted.sample_rate), wanted.samples)
