"""Recognises a captions file by what is in it."""

from __future__ import annotations

import binascii
import json
import re
import tarfile
from base64 import b64decode
from pathlib import Path

from maker.data.tabular import find_columns
from maker.errors import DataError

CAPTION_FORMATS = {
    "tsv": "tab-separated values with a header",
    "csv": "comma-separated values with a header",
    "flickr": "Flickr8k's and Flickr30k's token.txt",
    "jsonl": "a JSON object a line",
    "coco": "COCO's captions_*.json",
    "easynlp": "EasyNLP's text<TAB>base64 image",
    "parquet": "Parquet with image bytes and captions",
    "webdataset": "WebDataset tar shards",
}
PACKED = ("easynlp", "parquet", "webdataset")  # hold their images themselves
HEAD = 1 << 16
IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def recognise(path: Path) -> str:
    """The name of a captions file's format, by its content.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or of none of the formats.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such captions file")
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        raise DataError(f"{path}: the file is empty; expected captions")
    if head.startswith(b"PAR1"):
        return "parquet"
    if tarfile.is_tarfile(path):
        return "webdataset"
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")[0]
    if line.startswith((b"{", b"[")):
        return "jsonl" if _is_object_with_caption(line) else "coco"
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        if len(line) == len(head):
            text = line[: error.start].decode()
        else:
            raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert the file to UTF-8") from error
    cells = text.rstrip("\r").split("\t")
    for delimiter, name in (("\t", "tsv"), (",", "csv")):
        if {"image", "caption"} <= find_columns(text.split(delimiter)).keys():
            return name
    if len(cells) == 2 and re.search(r"\.\w+#\d+$", cells[0]):
        return "flickr"
    if len(cells) == 2 and _is_image(cells[1]):
        return "easynlp"
    known = "; ".join(f"{name} ({what})" for name, what in CAPTION_FORMATS.items())
    missing = "no column 'image'" if "image" not in find_columns(cells) else "no column 'caption'"
    found = ", ".join(cells)[:100] or "nothing"
    raise DataError(f"{path}: line 1: {missing} and no other known format; found {found}; expected one of {known}")


def _is_object_with_caption(line: bytes) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return isinstance(value, dict) and "annotations" not in value


def _is_image(cell: str) -> bool:
    try:
        return b64decode(cell[:64].encode(), validate=True).startswith(IMAGE_STARTS)
    except (binascii.Error, ValueError):
        return False
