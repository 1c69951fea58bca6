"""Opens text files: UTF-8 with or without a byte order mark, UTF-16, also gzipped."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from maker.errors import DataError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DAMAGED_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)


@contextmanager
def open_text(path: Path, what: str = "captions file") -> Iterator[TextIO]:
    """Opens a text file, decompressed if it is gzipped. Line ends are kept.

    Args:
        path: The file.
        what: The name of the file in the error if it is missing.

    Raises:
        DataError: The file is missing, damaged or in another encoding. Reading from it can raise this, too.
    """
    with open_bytes(path, what) as raw:
        head = raw.read(4)
        raw.seek(0)
        if head.startswith(ZIP):
            raise DataError(f"{path}: {_kind_of_archive(path)}")
        encoding = "utf-16" if head.startswith(UTF_16) else "utf-8-sig"
        try:
            yield io.TextIOWrapper(raw, encoding=encoding, newline="")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); {_how_to_convert(path)}") from error
        except UnicodeError as error:  # UTF-16 says no more
            raise DataError(f"{path}: damaged UTF-16 ({error}); convert the file to UTF-8") from error


@contextmanager
def open_bytes(path: Path, what: str = "captions file") -> Iterator[BinaryIO]:
    """Opens a file as bytes, decompressed if it is gzipped.

    Raises:
        DataError: The file is missing or damaged. Reading from it can raise this, too.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such {what}")
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield io.BufferedReader(unpacked)
        except DAMAGED_GZIP as error:
            raise DataError(f"{path}: the gzip file is cut off or damaged ({error})") from error


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text file, without line ends.

    Raises:
        DataError: The file is missing, damaged or in another encoding.
    """
    with open_text(path, what) as file:
        return [line.removesuffix("\n").removesuffix("\r") for line in file]


def without_surrogates(text: str) -> str:
    """Replaces each unpaired surrogate, which UTF-8 cannot encode, by U+FFFD, and each surrogate pair by its character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _how_to_convert(path: Path) -> str:
    """What to do with a file in another encoding. Western Windows programs write Windows-1252, which has few bytes without a character."""
    content = path.read_bytes()[: 1 << 20]
    if content.startswith(GZIP):
        return "convert the file to UTF-8"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "convert the file to UTF-8"
    return f"it may be Windows-1252: save it as CSV UTF-8 in Excel, or convert it: iconv -f cp1252 -t utf-8 {path.name} > utf8.csv"


def _kind_of_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        names = []
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook; save it as CSV (UTF-8) and pass that file"
    return "a ZIP archive; unpack it and pass the file inside"
