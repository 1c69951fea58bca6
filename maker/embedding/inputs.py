"""How items are read for a tower: pictures for `embed_image`, sounds for `embed_audio`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from maker.data.duplicates import difference_hash
from maker.data.images import OUTSIDE, load_image
from maker.data.sounds import load_sound
from maker.data.spectrogram import spectrogram
from maker.embedding.views import views_of
from maker.errors import DataError
from task.audio.tensor_audio import TensorAudio
from task.format.preparation import Preparation, preparation_of
from task.format.sound_format import SoundFormat, sound_format_of
from task.vision.decode import UnreadableImageError, decode
from task.vision.resize import prepare

# A file, its bytes, pixels `(height, width, 3)` uint8, a sound, or None for an item that must not be read.
Item: TypeAlias = "Path | bytes | np.ndarray | TensorAudio | None"


@dataclass(frozen=True)
class Pictures:
    """Reads pictures.

    Attributes:
        height, width: Size of the input in pixels.
        preparation: How a picture is brought to that size.
        views: Number of views of a picture.
    """

    height: int
    width: int
    preparation: Preparation
    views: int = 1
    signature = "embed_image"
    tower = "image"

    def read(self, item: Item) -> tuple[list[np.ndarray], np.uint64]:
        """The queries of the views of a picture, `(1, height, width, 3)` uint8, and its perceptual hash.

        Raises:
            DataError: It cannot be read; the text is the reason.
        """
        image = _pixels(item)
        queries = [prepare(view, self.height, self.width, self.preparation)[None] for view in views_of(image, self.views)]
        return queries, difference_hash(image)


@dataclass(frozen=True)
class Sounds:
    """Reads sounds and windows of recordings.

    Attributes:
        format: Rate and number of samples of the input.
    """

    format: SoundFormat
    views = 1
    signature = "embed_audio"
    tower = "audio"

    def read(self, item: Item) -> tuple[list[np.ndarray], np.uint64]:
        """The query of a sound, `(1, samples)` float32, and the perceptual hash of its spectrogram.

        Raises:
            DataError: It cannot be read; the text is the reason.
        """
        samples = _samples(item, self.format)
        return [samples[None]], difference_hash(spectrogram(samples))


Inputs: TypeAlias = Pictures | Sounds


def inputs_of(query: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], views: int) -> Inputs:
    """How the items of a tower are read.

    Args:
        query: The `query` of the manifest of the tower's file.
        shapes: Shapes of the inputs by signature.
        views: Number of views of a picture.
    """
    if Sounds.signature in shapes:
        return Sounds(sound_format_of(query.get("audio", {})))
    _, height, width, _ = shapes[Pictures.signature]
    return Pictures(height, width, preparation_of(query.get("image", {})), views)


def _pixels(item: Item) -> np.ndarray:
    if isinstance(item, np.ndarray):
        return item
    if isinstance(item, bytes):
        try:
            return decode(io.BytesIO(item))
        except UnreadableImageError as error:
            raise DataError(str(error)) from error
    if isinstance(item, Path):
        return load_image(item)
    raise DataError(OUTSIDE if item is None else "a sound; this tower embeds pictures")


def _samples(item: Item, wanted: SoundFormat) -> np.ndarray:
    if isinstance(item, TensorAudio):
        return item.samples_for(wanted)
    if isinstance(item, np.ndarray):
        raise DataError("pixels; this tower embeds sounds")
    if item is None:
        raise DataError(OUTSIDE)
    return load_sound(item, wanted)
