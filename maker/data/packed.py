"""Captions files that contain their images. The images are unpacked to files once; all later stages read those files."""

from __future__ import annotations

import binascii
import json
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.data.caption import Caption, cells_of, make_captions
from maker.data.tabular import read_table
from maker.data.text_file import open_text
from maker.data.webdataset import shards_of, webdataset_rows
from maker.errors import DataError
from maker.progress import progress
from maker.workspace import Rejects, atomic, file_state

DONE, STAMP = "captions.tsv", "unpacked.json"
VERSION = 2  # changes whenever the unpacked files would
SUFFIXES = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"RI": ".webp", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif"}
MAX_NAME = 200  # bytes of a file name; file systems allow 255


@dataclass(frozen=True)
class PackedRow:
    """A row of a packed file.

    Attributes:
        name: Name of the image without suffix; slashes separate folders.
        image: Bytes of the image file.
        captions: The captions; for each that is missing, the reason.
    """

    name: str
    image: bytes
    captions: list[Caption | str]


def unpack(path: Path, format: str, folder: Path, rejects: Rejects) -> list[Caption]:
    """Unpacks the images to files below `folder`, and returns the captions.

    The captions are written to `folder/captions.tsv`, after all images. A second call only reads that file, unless `path` has changed.

    Args:
        path: The file. Any one of numbered WebDataset shards (`train-000.tar`, `000.tar`) stands for all of them.
        format: `easynlp`, `parquet` or `webdataset`.
        folder: Where to unpack.
        rejects: Gets the rows that are left out.

    Raises:
        DataError: The file is damaged, has no captions, or needs a library that is not installed.
    """
    done, stamp = folder / DONE, folder / STAMP
    source = _source(path, format)
    if not (done.exists() and stamp.exists() and json.loads(stamp.read_text(encoding="utf-8"))["source"] == source):
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "images").mkdir(parents=True)
        rows = packed_rows(path, format)
        left_out: list[tuple[str, str]] = []
        lines = ["image\tsplit\tlang\tcaption\n"]
        names = _Names()
        for number, row in enumerate(progress(rows, f"unpack {path.name}"), start=1):
            problems, written = _write_image(row, folder, names)
            left_out += [(problem, f"row {number}") for problem in problems]
            lines += written
        with atomic(stamp) as temporary:
            temporary.write_text(json.dumps({"source": source, "left_out": left_out}), encoding="utf-8")
        with atomic(done) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
    for reason, place in json.loads(stamp.read_text(encoding="utf-8"))["left_out"]:
        rejects.add(path.name, reason, place)
    captions = read_table(done, "tsv", rejects)
    if not captions:
        raise DataError(f"{path}: no captions with an image in it")
    return captions


def packed_rows(path: Path, format: str) -> Iterator[PackedRow | str]:
    """The rows of a file of a format in `formats.PACKED`; the reason for each one that cannot be used."""
    return {"easynlp": _easynlp_rows, "parquet": _parquet_rows, "webdataset": _webdataset_rows}[format](path)


def _write_image(row: PackedRow | str, folder: Path, names: _Names) -> tuple[list[str], list[str]]:
    """Writes the image of a row. Returns the reasons for captions that are left out, and the lines of the others."""
    if isinstance(row, str):
        return [row], []
    problems = [caption for caption in row.captions if isinstance(caption, str)]
    captions = [caption for caption in row.captions if isinstance(caption, Caption)]
    suffix = SUFFIXES.get(row.image[:2])
    if suffix is None:
        return ["not an image"], []
    if not captions:
        return problems, []
    relative = names.free(row.name, suffix)
    if relative is None:
        return [f"name too long for a file: {row.name[:50]}…"], []
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(row.image)
    return problems, [f"{relative}\t{c.split}\t{c.language}\t{' '.join(c.text.split())}\n" for c in captions]


class _Names:
    """Unique file names for images, also on file systems that ignore case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def free(self, key: str, suffix: str) -> str | None:
        """A path below `images` that no other key has; None if the key is too long."""
        parts = ["".join(c if c.isalnum() or c in "_.-" else "_" for c in part) or "_" for part in key.split("/")]
        parts = [f"_{part}" if set(part) == {"."} else part for part in parts]
        if max(len(part.encode()) for part in parts) > MAX_NAME or len("/".join(parts).encode()) > 5 * MAX_NAME:
            return None
        stem, number = "/".join(["images", *parts]), 1
        name = f"{stem}{suffix}"
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._taken.add(name.casefold())
        return name


def _source(path: Path, format: str) -> list[Any]:
    """The state of the files, by which a change is noticed."""
    files = shards_of(path) if format == "webdataset" else [path]
    return [VERSION, format, [[f.name, file_state(f)] for f in files]]


def _easynlp_rows(path: Path) -> Iterator[PackedRow | str]:
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            text, _, encoded = line.rstrip("\r\n").partition("\t")
            try:
                image = b64decode(encoded.encode(), validate=True)
            except (binascii.Error, ValueError) as error:
                yield f"image is not base64: {error}"
                continue
            name = f"row-{number:07d}"
            yield PackedRow(name, image, make_captions({"image": name, "caption": text}, number))


def _parquet_rows(path: Path) -> Iterator[PackedRow | str]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'pocket-searcher[formats]'") from error
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(256):
            for values in batch.to_pylist():
                number += 1
                yield _parquet_row(values, number)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file, or damaged after row {number} ({error})") from error


def _parquet_row(values: dict[str, Any], number: int) -> PackedRow | str:
    cells = cells_of(values)
    image = cells["image"]["bytes"] if isinstance(cells["image"], dict) and "bytes" in cells["image"] else cells["image"]
    name = f"row-{number:07d}"
    return PackedRow(name, image, make_captions({**cells, "image": name}, number)) if isinstance(image, bytes) else "image is not bytes"


def _webdataset_rows(path: Path) -> Iterator[PackedRow | str]:
    for number, sample in enumerate(webdataset_rows(path), start=1):
        if isinstance(sample, str):
            yield sample
        else:
            yield PackedRow(sample.name, sample.image, make_captions({**sample.cells, "image": sample.name}, number))
