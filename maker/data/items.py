"""Reads embeddings and metadata from files of users, and the image that the metadata of an item name."""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from maker.data.images import is_image_name
from maker.data.sounds import is_sound_name
from maker.data.text_file import open_bytes, without_surrogates
from maker.data.videos import is_video_name
from maker.errors import DataError
from maker.workspace import atomic
from task.format.moment import file_of

IMAGE_KEYS = ("image", "path", "file")  # of an item whose metadata are a JSON object


def read_embeddings(path: Path) -> np.ndarray:
    """Opens a `.npy` file of `(n, d)` floats, memory-mapped.

    Raises:
        DataError: The file is missing, not a `.npy` file, or not a two-dimensional array of floats.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file of embeddings")
    try:
        embeddings = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a .npy file of floats ({error})") from error
    if not isinstance(embeddings, np.ndarray):
        raise DataError(f"{path}: found an archive of several arrays, expected one array; save it with numpy.save")
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f":
        raise DataError(f"{path}: found {embeddings.dtype} of shape {embeddings.shape}, expected (items, dimensions) of float32")
    return embeddings


def read_metadata(path: Path) -> list[bytes]:
    """Reads the metadata of items, one line per item.

    Lines of a `.jsonl` file have to be JSON: a string gives its text, any other value the line as it is.

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


def write_names(output: Path, names: Sequence[str]) -> Path:
    """Writes names beside the file of their embeddings, as `read_metadata` reads them: a line a name, JSON where a name has line ends."""
    plain = not any("\n" in name or name.endswith("\r") for name in names)
    path = output.with_suffix(".txt" if plain else ".jsonl")
    with atomic(path) as temporary:
        lines = [f"{name if plain else json.dumps(name, ensure_ascii=False)}\n" for name in names]
        temporary.write_bytes("".join(lines).encode())
    return path


def image_of(metadata: bytes) -> str | None:
    """The path of a picture, sound or video in the metadata of an item: the whole text, or `image`, `path` or `file` of a JSON object.

    None if there is none with the suffix of one. The path may name a part of the file (`task.format.moment`).
    """
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
    file = Path(file_of(text))
    known = is_image_name(file) or is_sound_name(file) or is_video_name(file)
    return text if known and not any(c in text for c in "\0\n\\") else None


def name_of(metadata: bytes) -> str:
    """A name to show for an item: the file name of its image, or the first 120 bytes of its metadata."""
    image = image_of(metadata)
    return PurePosixPath(image).name if image else metadata[:120].decode("utf-8", "replace")
