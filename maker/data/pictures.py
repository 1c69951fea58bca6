"""The picture of an item, to show it: the photo, a frame of the video, the spectrogram of the sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maker.data.images import load_image
from maker.data.sounds import is_sound_name, load_sound
from maker.data.spectrogram import spectrogram
from task.format.moment import file_of, moment_of
from task.format.sound_format import SoundFormat

RATE, SECONDS = 16_000, 2.0  # of a sound that is drawn, unless its name says how long it is


def load_picture(path: Path, at_least: int | None = None) -> np.ndarray:
    """The picture of an item, `(height, width, 3)` uint8 RGB. Arguments and errors are those of `load_image`."""
    if not is_sound_name(Path(file_of(str(path)))):
        return load_image(path, at_least)
    moment = moment_of(str(path))
    seconds = SECONDS if moment is None else moment.end - moment.start
    return spectrogram(load_sound(path, SoundFormat(RATE, max(1, round(seconds * RATE)))))
