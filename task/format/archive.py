"""The ZIP archive at the end of a `.tflite` with its associated files, uncompressed, with offsets from the start of the file.

The layout is that of TFLite Metadata.
"""

from __future__ import annotations

import io
import struct
import zipfile
from mmap import mmap
from pathlib import Path
from typing import Any

LOCAL_HEADER = 30  # bytes before the name in a local file header (PKWARE APPNOTE 4.3.7)
LENGTHS_AT = 26  # offset of the lengths of name and extra field
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest in ZIP; a fixed date makes files reproducible


class ArchiveError(Exception):
    """The archive cannot be read."""


def append(path: Path, name: str, content: bytes | Path) -> None:
    """Adds an associated file.

    Args:
        path: A `.tflite`, with or without an archive.
        name: Name of the associated file.
        content: The bytes, or a file to copy.
    """
    entry = zipfile.ZipInfo(name, FIXED_DATE)
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system = 3  # Unix, on all machines
    entry.external_attr = 0o644 << 16
    with zipfile.ZipFile(path, "a") as tail:
        if isinstance(content, Path):
            entry.file_size = content.stat().st_size
            with open(content, "rb") as source, tail.open(entry, "w", force_zip64=False) as target:
                while block := source.read(1 << 20):
                    target.write(block)
        else:
            tail.writestr(entry, content)


def locate(content: bytes | mmap) -> dict[str, tuple[int, int]]:
    """Finds the associated files.

    Args:
        content: A whole `.tflite`.

    Returns:
        `(offset, size)` in bytes by name, in file order; empty if there is no archive.

    Raises:
        ArchiveError: The archive is damaged or compressed.
    """
    reader = _Reader(content)
    if not zipfile.is_zipfile(reader):
        return {}
    reader.seek(0)
    found = {}
    try:
        with zipfile.ZipFile(reader) as tail:
            for entry in sorted(tail.infolist(), key=lambda e: e.header_offset):
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ArchiveError(f"associated file {entry.filename!r} is compressed; expected an uncompressed zip archive")
                name, extra = struct.unpack_from("<HH", content, entry.header_offset + LENGTHS_AT)
                start = entry.header_offset + LOCAL_HEADER + name + extra
                if start + entry.file_size > len(content):
                    raise ArchiveError(f"associated file {entry.filename!r} reaches beyond the end of the file")
                found[entry.filename] = (start, entry.file_size)
    except (zipfile.BadZipFile, struct.error, UnicodeDecodeError, NotImplementedError) as error:
        raise ArchiveError(f"the associated files' directory is damaged ({error})") from error
    return found


def model_size(content: bytes | mmap) -> int:
    """The number of bytes of the FlatBuffer, before the first associated file."""
    reader = _Reader(content)
    if not zipfile.is_zipfile(reader):
        return len(content)
    with zipfile.ZipFile(reader) as tail:
        return min((e.header_offset for e in tail.infolist()), default=len(content))


class _Reader(io.RawIOBase):
    """A file object over bytes or a memory map. It copies only what is read; `io.BytesIO` would copy the whole map."""

    def __init__(self, content: bytes | mmap) -> None:
        self._content, self._at = content, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, len(self._content))[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        piece = self._content[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
