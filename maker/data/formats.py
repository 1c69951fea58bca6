"""Recognises the format of a captions file by its content."""

from __future__ import annotations

import binascii
import json
import lzma
import re
import tarfile
import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

from maker.data.tabular import missing_column, read_header
from maker.data.text_file import open_bytes, open_text
from maker.errors import DataError

CAPTION_FORMATS = {
    "tsv": "tab-separated values with a header",
    "csv": "comma-separated values with a header",
    "flickr": "Flickr8k's and Flickr30k's token.txt",
    "jsonl": "one JSON object per line",
    "json": "a JSON list of objects",
    "coco": "COCO's captions_*.json",
    "easynlp": "EasyNLP's text<TAB>base64 image",
    "parquet": "Parquet with image bytes and captions",
    "webdataset": "WebDataset tar shards",
}
PACKED = ("easynlp", "parquet", "webdataset")  # formats that contain their images
HEAD = 1 << 16  # bytes by which tables and packed images are recognised
MAX_LINE = 1 << 28  # characters of a line of JSON
IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def recognise(path: Path) -> str:
    """Recognises the format of a captions file; returns a name in `FORMATS`.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or in none of the formats.
    """
    with open_bytes(path) as file:
        start = file.read(4)
    if not start:
        raise DataError(f"{path}: the file is empty; expected captions")
    if start == b"PAR1":
        return "parquet"
    if _is_tar(path):
        return "webdataset"
    with open_text(path) as text:
        line = _first_line(iter(lambda: text.readline(HEAD), None))
        if line.startswith("["):
            return "json"
        if line.startswith("{"):
            whole = line if line.endswith("\n") else line + text.readline(MAX_LINE)
            return "jsonl" if _is_object_with_caption(whole) else "coco"
    return _recognise_lines(line.rstrip("\r\n"), path)


def _recognise_lines(line: str, path: Path) -> str:
    table = read_header(line)
    if table.is_complete:
        return table.format
    cells = line.split("\t")
    if len(cells) == 2 and re.search(r"\.\w+#\d+$", cells[0]):
        return "flickr"
    if len(cells) == 2 and _is_image(cells[1]):
        return "easynlp"
    if len(table.header) > 1:
        raise DataError(f"{path}: line 1: {missing_column(table)}")
    raise DataError(
        f"{path}: line 1: expected a header with the columns image and caption, separated by tabs or commas, found {line[:60]!r}; "
        "maker build --help lists the other formats (--captions-format)"
    )


def _first_line(lines: Iterator[str]) -> str:
    """The first line that is not blank, without leading space."""
    for line in lines:
        if line.strip() or not line:
            return line.lstrip()
    return ""


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):  # cut off or damaged compressed files
        return False


def _is_object_with_caption(line: str) -> bool:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "annotations" not in value


def _is_image(cell: str) -> bool:
    try:
        return b64decode(cell[:64].encode(), validate=True).startswith(IMAGE_STARTS)
    except (binascii.Error, ValueError):
        return False
