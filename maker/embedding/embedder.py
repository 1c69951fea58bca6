"""One call for one item: a picture, a sound or a sentence in, an embedding out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.images import is_image_name
from maker.data.sounds import is_sound_name
from maker.embedding.inputs import Item
from maker.embedding.texts import TextTower
from maker.embedding.tower import ItemTower
from maker.encoders.embedder import SENTENCES, open_embedder
from maker.errors import DataError, EncoderError
from maker.workspace import content_digest
from task.audio import TensorAudio
from task.format.moment import file_of
from task.vision import TensorImage


@dataclass(frozen=True)
class Embedder:
    """Embeds pictures, sounds and sentences with the towers of a file. It can be sent to other processes, which open the file themselves.

    Attributes:
        file: An encoder or searcher file of this project.
    """

    file: Path

    @cached_property
    def name(self) -> str:
        """The digest of the file."""
        return content_digest(self.file)[:16]

    @cached_property
    def kinds(self) -> frozenset[str]:
        """What the file embeds: `text`, and `image` or `audio`."""
        towers = {kind for kind, tower in open_embedder(self.file).items() if tower.signature}
        return frozenset("text" if kind in SENTENCES else kind for kind in towers)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process."""
        return {"file": self.file}

    def __call__(self, item: Any) -> np.ndarray:
        """Embeds an item.

        Args:
            item: A picture: a `Path`, a `str` that names a file or ends like an image, the bytes of an image file, a PIL image, a
                `TensorImage`, or an array, uint8 `(height, width, 3)`. A sound: a `Path`, a `str` that names a file or ends like a sound,
                the bytes of a sound file, or a `TensorAudio`. Or a sentence: any other `str`.

        Returns:
            `(d,)` float32.

        Raises:
            DataError: The picture or sound cannot be read; the text names it.
            EncoderError: The file has no tower for it.
        """
        given = _item(item)
        if given is None:
            if "text" not in self.kinds:
                raise EncoderError(f"{self.file}: has no tower for sentences, and there is no file {item!r}")
            row: np.ndarray = self._texts.embed([item])[0]
            return row
        if isinstance(given, (np.ndarray, TensorAudio)) or not {"image", "audio"} & self.kinds:
            kind, what = ("audio", "sounds") if isinstance(given, TensorAudio) else ("image", "pictures")
            if kind not in self.kinds:
                raise EncoderError(f"{self.file}: has no tower for {what}")
        made = self._items.embed([given])
        if made.reasons[0]:
            raise DataError(f"{item}: {made.reasons[0]}" if isinstance(item, (str, os.PathLike)) else made.reasons[0])
        row = made.values[0]
        return row

    @cached_property
    def _items(self) -> ItemTower:
        return ItemTower(self.file)

    @cached_property
    def _texts(self) -> TextTower:
        return TextTower(self.file)


def _item(item: Any) -> Item:
    """The item as a picture or a sound; None if it is a sentence."""
    if isinstance(item, str):
        file = Path(file_of(item))
        return Path(item) if is_image_name(file) or is_sound_name(file) or os.path.isfile(file) else None
    if isinstance(item, (bytes, Path, TensorAudio)):
        return item
    if isinstance(item, TensorImage):
        return item.buffer
    if isinstance(item, np.ndarray):
        return TensorImage.create_from_array(item).buffer
    if hasattr(item, "convert"):  # a PIL image
        return np.asarray(item.convert("RGB"))
    raise DataError(f"cannot embed {type(item).__name__}; expected a path, a picture, a sound, an array or a sentence")
