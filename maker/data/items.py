"""Embeddings and metadata as users bring them, and what metadata say of an item."""

from __future__ import annotations

import codecs
import json
from pathlib import Path, PurePosixPath

import numpy as np

from maker.data.images import is_image_name
from maker.data.text_file import open_bytes, without_surrogates
from maker.errors import DataError

IMAGE_KEYS = ("image", "path", "file")  # of an item whose metadata are a JSON object


def read_embeddings(path: Path) -> np.ndarray:
    """Maps a `.npy` of `(n, d)` floats.

    Raises:
        DataError: It is missing, no `.npy`, or not two-dimensional floats.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file of embeddings")
    try:
        embeddings = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a .npy file of floats ({error})") from error
    if not isinstance(embeddings, np.ndarray):
        raise DataError(f"{path}: an archive of several arrays, expected one array; save it with numpy.save")
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        raise DataError(f"{path}: {embeddings.dtype} of shape {embeddings.shape}, expected (items, dimensions) of float32")
    return embeddings


def read_metadata(path: Path) -> list[bytes]:
    """Reads a line an item.

    A `.jsonl` line is checked to be JSON; a JSON string stands for its text, anything else is kept as the line is.

    Raises:
        DataError: The file is missing, or a line of a `.jsonl` is not JSON.
    """
    with open_bytes(path, "file of metadata") as file:
        lines = file.read().removeprefix(codecs.BOM_UTF8).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    lines = [line.removesuffix(b"\r") for line in lines]
    if path.suffix.lower() != ".jsonl":
        return lines
    items = []
    for number, line in enumerate(lines, start=1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not JSON ({error})") from error
        items.append(without_surrogates(value).encode() if isinstance(value, str) else line)
    return items


def image_of(metadata: bytes) -> str | None:
    """The image that an item's metadata name, by suffix: the text itself, or the `image`, `path` or `file` of a JSON object."""
    try:
        text = metadata.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except ValueError:
            return None
        text = next((values[k] for k in IMAGE_KEYS if isinstance(values.get(k), str)), "")
    return text if is_image_name(Path(text)) and not any(c in text for c in "\0\n\\") else None


def name_of(metadata: bytes) -> str:
    """What an item is called: its picture's name, or the first of its metadata."""
    image = image_of(metadata)
    return PurePosixPath(image).name if image else metadata[:120].decode("utf-8", "replace")
