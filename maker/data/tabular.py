"""Captions in lines: TSV and CSV with a header, and the Flickr8k and Flickr30k `token.txt`."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from maker.data.caption import NAMES, Caption, accepted, make_caption
from maker.errors import DataError
from maker.workspace import Rejects

csv.field_size_limit(1 << 30)


def read_table(path: Path, delimiter: str, rejects: Rejects) -> list[Caption]:
    """Reads a table whose header names `image` and `caption`, and maybe `split` and `lang`.

    Comma-separated values are read with quoting, tab-separated ones without.

    Raises:
        DataError: The file is missing, not UTF-8, or has no column for images or captions.
    """
    with open_text(path) as file:
        reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL)
        columns = find_columns(next(reader, []))
        for wanted in ("image", "caption"):
            if wanted not in columns:
                file.seek(0)
                found = ", ".join(file.readline().strip().split(delimiter)) or "nothing"
                raise DataError(f"{path}: line 1: no column {wanted!r}; expected a header with 'image' and 'caption', found {found[:200]}")
        rows = ((_cells_caption(row, columns, reader.line_num), f"line {reader.line_num}") for row in reader if row)
        return accepted(rows, path.name, rejects)


def _cells_caption(row: Sequence[str], columns: dict[str, int], line: int) -> Caption | str:
    if len(row) <= max(columns["image"], columns["caption"]):
        return f"too few columns: {len(row)}"
    return make_caption({name: row[at] for name, at in columns.items() if at < len(row)}, line)


def find_columns(header: Sequence[str]) -> dict[str, int]:
    """Where the header names image, caption, split and lang; what it does not name is left out."""
    names = [name.strip().lower() for name in header]
    found = {}
    for wanted, synonyms in NAMES.items():
        place = next((names.index(name) for name in synonyms if name in names), None)
        if place is not None:
            found[wanted] = place
    return found


def read_flickr_tokens(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads `image.jpg#0<TAB>caption` lines, as Flickr8k and Flickr30k have them.

    Raises:
        DataError: The file is missing or not UTF-8.
    """
    with open_text(path) as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        return accepted(((_token_caption(line, number), f"line {number}") for number, line in lines), path.name, rejects)


def _token_caption(line: str, number: int) -> Caption | str:
    name, tab, text = line.rstrip("\n").partition("\t")
    return make_caption({"image": name.rpartition("#")[0], "caption": text}, number) if tab else "too few columns: 1"


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A UTF-8 file, with or without a byte order mark.

    Raises:
        DataError: It is missing, not UTF-8, or its quoting is broken.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such captions file")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert the file to UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: {error}") from error
