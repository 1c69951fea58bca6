"""Rows of named values in files of users: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.data.text_file import open_text
from maker.errors import DataError

csv.field_size_limit(1 << 30)
DELIMITERS = ",;\t"
PARQUET = b"PAR1"


@dataclass(frozen=True)
class Row:
    """A row of a file.

    Attributes:
        place: Where it is, such as `line 3`.
        values: The values by column; None or an empty text where nothing is known.
    """

    place: str
    values: dict[str, Any]


def read_rows(path: Path, column: str, what: str) -> Iterable[Row]:
    """Reads the rows of a file.

    Args:
        path: The file: Parquet by its first bytes, JSON lines by its suffix, else CSV or TSV.
        column: The column that it has to have. In JSON lines, the caller finds out.
        what: What the file is, in errors.

    Raises:
        DataError: The file is missing or damaged, lacks the column, names a column twice, or a row has another number of cells than the
            header.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such {what}")
    with open(path, "rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return _parquet_rows(path, column)
    if ".json" in path.suffixes or path.suffix in (".jsonl", ".ndjson"):
        return _json_rows(path, column, what)
    return _table_rows(path, column, what)


def _json_rows(path: Path, column: str, what: str) -> Iterator[Row]:
    with open_text(path, what) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line, object_pairs_hook=_unrepeated)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {number} is not JSON ({error}); expected one object per line") from error
            if not isinstance(values, dict):
                raise DataError(f"{path}: line {number} is {type(values).__name__}, expected an object with the key {column!r}")
            yield Row(f"line {number}", values)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one with a key twice is an error, because only one of its values would be kept."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)[:60]!r} is there twice")
    return values


def _table_rows(path: Path, column: str, what: str) -> Iterator[Row]:
    with open_text(path, what) as file:
        first = file.readline()
        delimiter = max(DELIMITERS, key=first.count)
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        if column not in header:
            raise DataError(f"{path}: line 1: no column {column!r}; found {', '.join(header)[:200] or 'nothing'}")
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise DataError(f"{path}: line 1: two columns are named {twice[:60]!r}")
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise DataError(f"{path}: line {reader.line_num + 1} has {len(cells)} cells, expected {len(header)}")
                yield Row(f"line {reader.line_num + 1}", dict(zip(header, cells, strict=True)))
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num + 1}: {error}") from error


def _parquet_rows(path: Path, column: str) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow; install it with: pip install 'pocket-searcher[formats]'") from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})") from error
    if column not in table.column_names:
        raise DataError(f"{path}: no column {column!r}; found {', '.join(table.column_names)[:200] or 'nothing'}")
    for number, values in enumerate(table.to_pylist(), start=1):
        # pandas writes a number that is not known as NaN.
        known = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}
        yield Row(f"row {number}", known)
