"""Loaders that embed the texts of a CSV or the images of a folder with a `.tflite` embedder."""

from __future__ import annotations

import csv
import enum
import os
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from maker.errors import DataError, EncoderError
from maker.progress import say
from maker.searcher.data_loader import DataLoader
from maker.workspace import Rejects
from task.core import BaseOptions
from task.errors import TaskError
from task.text import TextEmbedder, TextEmbedderOptions
from task.vision import ImageEmbedder, ImageEmbedderOptions, TensorImage

LOG_EVERY = 1000  # items per log line, as in Model Maker
DATA_FILE = ".dat"


class MetadataType(enum.Enum):
    """Where `ImageDataLoader` takes the metadata of an image from."""

    FROM_FILE_NAME = 1
    FROM_DAT_FILE = 2


class _EmbeddingLoader(DataLoader):
    """A loader that embeds its items.

    Attributes:
        rejects: Items that were left out, with place and reason. Each one is also logged.
    """

    def __init__(self, embedder_path: str, l2_normalize: bool) -> None:
        super().__init__(embedder_path)
        self.rejects = Rejects()
        self._l2_normalize = l2_normalize

    @abstractmethod
    def _embed(self, item: Any) -> np.ndarray:
        """The `(d,)` embedding of an item. Raises TaskError."""

    def _load(self, source: str, items: Iterable[tuple[Any, bytes, str, str]]) -> None:
        """Embeds and adds items, `(item, metadata, name, place)`; rejects those that cannot be embedded."""
        vectors, metadata = [], []
        for item, entry, name, place in items:
            try:
                vector = np.asarray(self._embed(item), np.float32)
            except (TaskError, OSError) as error:
                self._reject(name, str(error), place)
                continue
            if not np.isfinite(vector).all():
                self._reject(name, "the embedding has a value that is not finite", place)
                continue
            norm = np.linalg.norm(vector) if self._l2_normalize else 0
            vectors.append(vector / norm if norm > 0 else vector)
            metadata.append(entry)
            if len(vectors) % LOG_EVERY == 0:
                say(f"{source}: embedded {len(vectors)} items")
        if not vectors:
            first = f"; the first: {': '.join(filter(None, self.rejects.rows[0]))}" if self.rejects.rows else ""
            raise DataError(f"{source}: no item could be embedded{first}")
        self.append(DataLoader(self.embedder_path, np.stack(vectors), metadata))

    def _reject(self, name: str, reason: str, place: str = "") -> None:
        self.rejects.add(name, reason, place)
        say(f"warning: {name}{':' + place if place else ''}: left out: {reason}")


class TextDataLoader(_EmbeddingLoader):
    """Embeds sentences; use `create`."""

    def __init__(self, embedder_path: str, l2_normalize: bool = False) -> None:
        super().__init__(embedder_path, l2_normalize)
        try:
            self._embedder = TextEmbedder.create_from_options(TextEmbedderOptions(BaseOptions(embedder_path)))
            self._embedder.embed("")
        except TaskError as error:
            raise EncoderError(str(error)) from error

    @classmethod
    def create(cls, text_embedder_path: str, l2_normalize: bool = False) -> TextDataLoader:
        """Opens an embedder.

        Args:
            text_embedder_path: An encoder of `maker build`, or a text model for the Task Library.
            l2_normalize: Divide embeddings by their Euclidean norm.

        Raises:
            EncoderError: It cannot be opened, or takes no text.
        """
        return cls(text_embedder_path, l2_normalize)

    def load_from_csv(self, path: str, text_column: str, metadata_column: str, delimiter: str = ",", quotechar: str = '"') -> None:
        """Adds the rows of a UTF-8 CSV file whose first line names the columns. Rows that cannot be read are left out.

        Args:
            path: The file.
            text_column: Name of the column to embed.
            metadata_column: Name of the column with the metadata.
            delimiter: The character between columns.
            quotechar: The character around quoted columns.

        Raises:
            DataError: A column is missing, the file is not UTF-8, or no row can be read.
        """

        def rows(reader: csv.DictReader[str]) -> Iterable[tuple[str, bytes, str, str]]:
            for row in reader:
                text, metadata = row[text_column], row[metadata_column]
                if text is None or metadata is None:
                    self._reject(path, "the line has fewer columns than the header", str(reader.line_num))
                    continue
                yield text, metadata.encode(), path, str(reader.line_num)

        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, quotechar=quotechar)
            try:
                missing = [c for c in (text_column, metadata_column) if c not in (reader.fieldnames or [])]
                if missing:
                    raise DataError(f"{path}: no column {missing[0]!r}; there are {', '.join(reader.fieldnames or []) or 'none'}")
                self._load(path, rows(reader))
            except (UnicodeDecodeError, csv.Error) as error:
                raise DataError(f"{path}: line {reader.line_num + 1} cannot be read ({error}); save the file as UTF-8 CSV") from error

    def _embed(self, item: str) -> np.ndarray:
        return self._embedder.embed(item).embeddings[0].feature_vector.value


class ImageDataLoader(_EmbeddingLoader):
    """Embeds images; use `create`."""

    def __init__(self, embedder_path: str, metadata_type: MetadataType = MetadataType.FROM_FILE_NAME, l2_normalize: bool = False) -> None:
        super().__init__(embedder_path, l2_normalize)
        self._metadata_type = MetadataType(metadata_type)
        try:
            self._embedder = ImageEmbedder.create_from_options(ImageEmbedderOptions(BaseOptions(embedder_path)))
            self._embedder.embed(TensorImage(np.zeros((8, 8, 3), np.uint8)))
        except TaskError as error:
            raise EncoderError(str(error)) from error

    @classmethod
    def create(
        cls, image_embedder_path: str, metadata_type: MetadataType = MetadataType.FROM_FILE_NAME, l2_normalize: bool = False
    ) -> ImageDataLoader:
        """Opens an embedder.

        Args:
            image_embedder_path: An encoder of `maker build`, or an image model for the Task Library.
            metadata_type: The metadata are the file name without folder and suffix, or the content of a file with suffix `.dat` beside it.
            l2_normalize: Divide embeddings by their Euclidean norm.

        Raises:
            EncoderError: It cannot be opened, or takes no images.
        """
        return cls(image_embedder_path, metadata_type, l2_normalize)

    def load_from_folder(self, path: str, mode: str = "r") -> None:
        """Adds the images of a folder and its subfolders, sorted by name. Files that cannot be read are left out.

        Args:
            path: The folder.
            mode: How `.dat` files are read: `r` for UTF-8 text, `rb` for bytes.

        Raises:
            DataError: The mode is unknown, `path` is not a folder, or no image can be read.
        """
        if mode not in ("r", "rb"):
            raise DataError(f"mode must be 'r' or 'rb', found {mode!r}")
        if not os.path.isdir(path):
            raise DataError(f"{path}: not a folder")
        self._load(path, self._images(Path(path), mode))

    def _images(self, folder: Path, mode: str) -> Iterable[tuple[Path, bytes, str, str]]:
        for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != DATA_FILE):
            if self._metadata_type is MetadataType.FROM_FILE_NAME:
                yield file, file.stem.encode("utf-8", "surrogateescape"), str(file), ""
                continue
            beside = file.with_suffix(DATA_FILE)
            try:
                metadata = beside.read_bytes()
                if mode == "r":
                    metadata = beside.read_text(encoding="utf-8").encode()
            except (OSError, UnicodeDecodeError) as error:
                self._reject(str(file), f"its metadata {beside.name} cannot be read ({error})")
                continue
            yield file, metadata, str(file), ""

    def _embed(self, item: Path) -> np.ndarray:
        return self._embedder.embed(TensorImage.create_from_file(str(item))).embeddings[0].feature_vector.value
