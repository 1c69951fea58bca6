"""What is done with the item of a row: decoding, embedding, searching."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maker.collection.rows import ITEM, Row
from maker.data.images import is_image_name, load_image
from maker.data.sounds import is_sound_name
from maker.errors import DataError
from maker.workspace import file_state
from task.audio import TensorAudio
from task.core import BaseOptions
from task.format.moment import file_of, moment_of
from task.processor import SearchOptions
from task.text import Query, TextSearcher, TextSearcherOptions
from task.vision import TensorImage
from task.vision.decode import UnreadableImageError, decode

PICTURE, IMAGE, PATH, EMBEDDING, FOUND = "picture", "image", "path", "embedding", "found"  # columns
ITEMS = (PICTURE, IMAGE, PATH, ITEM, "caption", "text")  # columns with what a row is about, the first that it has


def item_of(row: Row, column: str | None) -> Any:
    """The value of a column, or of the first of `ITEMS` that the row has.

    Raises:
        DataError: There is none.
    """
    wanted = ITEMS if column is None else (column,)
    for name in wanted:
        if row.get(name) is not None:
            return row[name]
    raise DataError(f"no column {' or '.join(wanted)}; found {', '.join(row)}")


@dataclass(frozen=True)
class Decoded:
    """Adds `picture`, `(height, width, 3)` uint8 RGB, of a path, of a moment of a video, or of the bytes of an image file."""

    column: str | None = None

    @property
    def name(self) -> str:
        """The name of the step."""
        return f"decode {self.column or ''}".strip()

    def __call__(self, row: Row) -> Row:
        """The row with its picture."""
        item = item_of(row, self.column)
        if not isinstance(item, (str, os.PathLike, bytes)):
            raise DataError(f"cannot decode {type(item).__name__}; expected a path or the bytes of an image file")
        try:
            return {**row, PICTURE: decode(io.BytesIO(item)) if isinstance(item, bytes) else load_image(Path(item))}
        except UnreadableImageError as error:
            raise DataError(str(error)) from error


@dataclass(frozen=True)
class Embedded:
    """Adds `embedding`, `(d,)` float32, of an item."""

    embed: Callable[[Any], np.ndarray]
    column: str | None = None

    @property
    def name(self) -> str:
        """The name of the step, with the state of the encoder."""
        return f"embed {getattr(self.embed, 'name', type(self.embed).__name__)} {self.column or ''}".strip()

    def __call__(self, row: Row) -> Row:
        """The row with its embedding."""
        item = item_of(row, self.column)
        try:
            return {**row, EMBEDDING: embedding_of(self.embed(item))}
        except DataError as error:  # the row names its item already
            raise DataError(str(error).removeprefix(f"{item}: ")) from error


def embedding_of(value: Any) -> np.ndarray:
    """An embedding as `(d,)` float32.

    Args:
        value: An array, or the list of a Parquet file.

    Raises:
        DataError: It is none.
    """
    try:
        given = np.asarray(value)
    except ValueError:  # a list of lists of different lengths
        given = np.empty(0, object)
    if given.dtype.kind not in "fiu" or given.ndim != 1 or not len(given):
        found = f"{given.dtype} {given.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"{found} is no embedding; expected one row of numbers, (d,) float32")
    row = given.astype(np.float32, copy=False)
    if not np.isfinite(row).all():
        raise DataError("the embedding has a value that is not finite")
    return row


@dataclass
class Searched:
    """Adds `found`: the nearest items of a searcher, each with `name`, `distance` and `id`.

    Attributes:
        files: The searcher, or the searchers that are searched as one. Each process opens them once.
        k: Number of items.
        column: The column to ask with; None for `embedding`, and for the item of a row without one.
    """

    files: tuple[str, ...]
    k: int
    column: str | None = None
    _opened: TextSearcher | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        """What is sent to another process, which opens the files itself."""
        return {**self.__dict__, "_opened": None}

    @property
    def name(self) -> str:
        """The name of the step, with the state of the files."""
        return f"search {[[name, file_state(Path(name))] for name in self.files]} {self.k} {self.column or ''}".strip()

    def __call__(self, row: Row) -> Row:
        """The row with what was found."""
        if self._opened is None:
            first, *others = self.files
            options = TextSearcherOptions(BaseOptions(first), search_options=SearchOptions(max_results=self.k), shards=others)
            self._opened = TextSearcher.create_from_options(options)
        asked = row[EMBEDDING] if self.column is None and EMBEDDING in row else item_of(row, self.column)
        found = self._opened.search(_query(asked)).nearest_neighbors
        return {**row, FOUND: [{"name": _text(one.metadata), "distance": float(one.distance), "id": one.id} for one in found]}


def _query(asked: Any) -> Query | str:
    if isinstance(asked, (str, os.PathLike)):
        path = Path(asked)
        file = Path(file_of(str(asked)))
        if is_sound_name(file):
            moment = moment_of(str(asked))
            part = () if moment is None else (moment.start, moment.end - moment.start)
            return Query(TensorAudio.create_from_file(str(file), *part))
        if isinstance(asked, os.PathLike) or is_image_name(file) or os.path.isfile(file):
            return Query(TensorImage.create_from_array(load_image(path)))
        return asked
    if isinstance(asked, bytes):
        return Query(TensorImage.create_from_buffer(asked))
    if isinstance(asked, np.ndarray) and asked.ndim == 3:
        return Query(TensorImage.create_from_array(asked))
    if isinstance(asked, (np.ndarray, list)):
        return Query(embedding_of(asked))
    raise DataError(f"cannot search for {type(asked).__name__}; expected a path, a picture, a sound, an embedding or a sentence")


def _text(metadata: bytes) -> str:
    return metadata.decode("utf-8", "replace")
