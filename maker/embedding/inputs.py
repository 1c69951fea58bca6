"""How the items of a folder are read for a tower: pictures for `embed_image`, sounds for `embed_audio`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.duplicates import difference_hash
from maker.data.images import load_image
from maker.data.sounds import load_sound
from maker.data.spectrogram import spectrogram
from maker.embedding.views import views_of
from task.format.preparation import Preparation, preparation_of
from task.format.sound_format import SoundFormat, sound_format_of
from task.vision.resize import prepare


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
    noun = "images"
    tower = "image"

    def read(self, path: Path) -> tuple[list[np.ndarray], np.uint64]:
        """The queries of the views of a picture, and its perceptual hash. It raises the errors of `load_image`."""
        image = load_image(path)
        queries = [prepare(view, self.height, self.width, self.preparation)[None] for view in views_of(image, self.views)]
        return queries, difference_hash(image)


@dataclass(frozen=True)
class Sounds:
    """Reads sounds and windows of recordings; their perceptual hash is that of the spectrogram."""

    format: SoundFormat
    views = 1
    signature = "embed_audio"
    noun = "sounds"
    tower = "audio"

    def read(self, path: Path) -> tuple[list[np.ndarray], np.uint64]:
        """The query of a sound, and its perceptual hash. It raises the errors of `load_sound`."""
        samples = load_sound(path, self.format)
        return [samples[None]], difference_hash(spectrogram(samples))


Inputs = Pictures | Sounds
SIGNATURES = (Pictures.signature, Sounds.signature)


def inputs_of(query: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], views: int) -> Inputs:
    """How the items of a tower are read.

    Args:
        query: The `query` of the manifest of the tower's file.
        shapes: Shapes of the inputs by signature.
        views: Number of views of a picture.
    """
    if Sounds.signature in shapes:
        return Sounds(sound_format_of(query["audio"]))
    _, height, width, _ = shapes[Pictures.signature]
    return Pictures(height, width, preparation_of(query.get("image", {})), views)
