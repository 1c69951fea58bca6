"""Where the rows of a collection come from, shard by shard."""

from __future__ import annotations

import codecs
import glob
import hashlib
import os
import pickle
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from maker.collection.rows import REASON, Row, Shard, row_of
from maker.data import packed
from maker.data.captions import read_captions
from maker.data.formats import PACKED, recognise
from maker.data.images import list_images
from maker.data.webdataset import shard_samples
from maker.errors import DataError, UsageError
from maker.workspace import Rejects, digest
from task.format.moment import file_of

Paths: TypeAlias = str | Path | Iterable[str | Path]
PART = 256  # rows of a shard of values or paths: a few seconds of embedding
ROWS = 256  # of a Parquet file that are read at a time


def values(items: Iterable[Any], size: int = PART) -> list[Shard]:
    """Shards of values in memory."""
    every = [row_of(item) for item in items]
    parts = [every[start : start + size] for start in range(0, len(every), checked_size(size))]
    return [Shard(f"part-{number:06d}", partial(list, part), _state_of_values(part)) for number, part in enumerate(parts)]


def checked_size(size: int) -> int:
    """The number of rows of a shard.

    Raises:
        UsageError: It is below 1.
    """
    if size < 1:
        raise UsageError(f"a shard has at least 1 row, found {size}")
    return size


def _state_of_values(rows: Sequence[Row]) -> list[Any]:
    """A digest of the values, and the state of the files that they name; values that cannot be compared count as new in each run."""
    texts = [file_of(os.fspath(value)) for row in rows for value in row.values() if isinstance(value, (str, Path))]
    try:
        content = pickle.dumps(rows)
    except (pickle.PicklingError, AttributeError, TypeError):
        content = secrets.token_bytes()
    return [hashlib.sha256(content).hexdigest(), [state_of(Path(name)) for name in texts if os.path.isfile(name)]]


def paths(pattern: str, size: int = PART) -> list[Shard]:
    """Shards of the files that a pattern names."""
    return _parts(size, [{"path": str(path)} for path in files(pattern)])


def photos(folder: Path, size: int) -> list[Shard]:
    """Shards of the photos below a folder: `name` and `path`. Those that cannot be read are rejected rows at the end.

    Raises:
        DataError: There are none.
    """
    rejects = Rejects()
    rows: list[Row] = [{"name": name, "path": str(folder / name)} for name in list_images(folder, rejects)]
    return _parts(size, [*rows, *({"name": name, REASON: reason} for name, _, reason in rejects.rows)])


def _parts(size: int, rows: Sequence[Row]) -> list[Shard]:
    shards = []
    for start in range(0, len(rows), checked_size(size)):
        part = list(rows[start : start + size])
        state = digest([[row.get("name"), row.get("path"), state_of(Path(row["path"])) if "path" in row else row[REASON]] for row in part])
        shards.append(Shard(f"part-{start // size:06d}", partial(list, part), state))
    return shards


def files_as_shards(given: Paths, rows: Callable[[Path], Iterable[Row]]) -> list[Shard]:
    """A shard for each file."""
    found = files(given)
    absolute = [Path(os.path.abspath(path)) for path in found]
    shared = Path(os.path.commonpath([path.parent for path in absolute]))
    names = [path.relative_to(shared).with_suffix("").as_posix() for path in absolute]
    if len(set(names)) < len(names):
        names = [path.relative_to(shared).as_posix() for path in absolute]
    return [Shard(name, partial(_readable, rows, path), [str(path), state_of(path)]) for name, path in zip(names, found, strict=True)]


def files(given: Paths) -> list[Path]:
    """The files that a path, a pattern or several of them name, sorted; those of a folder.

    Raises:
        DataError: There are none, or one is named twice.
    """
    every = [given] if isinstance(given, (str, Path)) else list(given)
    found: list[Path] = []
    for one in map(str, every):
        inside = os.path.join(glob.escape(one), "*") if os.path.isdir(one) else one
        here = [Path(one)] if os.path.isfile(one) else [Path(path) for path in glob.glob(inside, recursive=True) if os.path.isfile(path)]
        if not here:
            raise DataError(f"{one}: no such files")
        found += sorted(here)
    if not found:
        raise DataError("no files were named")
    once: set[str] = set()
    for path in found:
        if (absolute := os.path.abspath(path)) in once:
            raise DataError(f"{path}: is named twice; name each file once")
        once.add(absolute)
    return found


def state_of(path: Path) -> list[int]:
    """Size and modification time, which stay the same on every machine that shares the file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file; its images may be bytes, or the dicts that `datasets` writes.

    Raises:
        DataError: It is damaged, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'pocket-searcher[formats]'") from error
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield row_of({"name": f"row-{number:07d}", **{column: _image_bytes(value) for column, value in row.items()}})
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file, or damaged after row {number} ({error})") from error


def webdataset_rows(path: Path) -> Iterator[Row]:
    """The samples of one tar file: `name`, `image` and the fields of its text and JSON."""
    for number, sample in enumerate(shard_samples(path), start=1):
        if isinstance(sample, str):
            yield {"name": f"sample-{number:07d}", REASON: sample}
        else:
            yield {**sample.cells, "name": sample.name, "image": sample.image}


def list_rows(path: Path) -> Iterator[Row]:
    """The paths in a text file, one a line; relative ones start at its folder."""
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            written = (line.removeprefix(codecs.BOM_UTF8) if number == 0 else line).rstrip(b"\r\n")
            try:
                name = written.decode()
            except UnicodeDecodeError:
                yield {"name": written.decode("utf-8", "backslashreplace"), REASON: "name is not UTF-8"}
                continue
            if name:
                yield {"name": name, "path": str(path.parent / name)}


def captions(path: Path, images: Path | None) -> list[Shard]:
    """One shard with a row for each caption: `name`, `path` or `image`, `caption`, `split` and `lang`.

    Raises:
        DataError: The file is missing or in no known format, or it names images and `images` is None.
    """
    form = recognise(path)
    if form not in PACKED and images is None:
        raise DataError(f"{path}: a {form} file only names its images; pass images=, the folder with the images")
    read = partial(_packed_rows, form) if images is None or form in PACKED else partial(_caption_rows, images)
    return [Shard(path.stem, partial(_readable, read, path), [str(path), state_of(path)])]


def _caption_rows(images: Path, path: Path) -> Iterator[Row]:
    rejects = Rejects()
    for caption in read_captions(path, rejects):
        image = str(images / caption.image)
        yield {"name": caption.image, "path": image, "caption": caption.text, "split": caption.split, "lang": caption.language}
    for name, place, reason in rejects.rows:
        yield {"name": f"{name}, {place}", REASON: reason}


def _packed_rows(form: str, path: Path) -> Iterator[Row]:
    for number, row in enumerate(packed.packed_rows(path, form), start=1):
        if isinstance(row, str):
            yield {"name": f"row-{number:07d}", REASON: row}
            continue
        for caption in row.captions:
            if isinstance(caption, str):
                yield {"name": row.name, REASON: caption}
            else:
                yield {
                    "name": row.name,
                    "image": row.image,
                    "caption": caption.text,
                    "split": caption.split,
                    "lang": caption.language,
                }


def _readable(rows: Callable[[Path], Iterable[Row]], path: Path) -> Iterator[Row]:
    """The rows of a file; where it is damaged, a rejected row that says so is the last one."""
    try:
        yield from rows(path)
    except DataError as error:
        yield {"name": str(path), REASON: str(error)}


def _image_bytes(value: Any) -> Any:
    return value["bytes"] if isinstance(value, dict) and isinstance(value.get("bytes"), bytes) else value
