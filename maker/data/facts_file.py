"""Facts about items in files of users: CSV, TSV, JSON lines and Parquet, one row per item.

The column `item` names the item by its metadata. Any other column may say its type in its name, as in `keywords:tags`; else the type is
that of its values. Tags in a table are separated by `|`.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from maker.data.items import image_of
from maker.data.text_file import open_text
from maker.errors import DataError
from task.errors import TaskError
from task.format import facts as stored_facts
from task.format.facts import TYPES, Column
from task.search.facts import checked
from task.search.moments import MomentError, seconds

csv.field_size_limit(1 << 30)
ITEM = "item"
MOST_COLUMNS = 200
LONGEST_CELL = 10_000  # characters
SEPARATOR = "|"
DELIMITERS = ",;\t"
PARQUET = b"PAR1"


@dataclass(frozen=True)
class FactsTable:
    """The rows of a facts file.

    Attributes:
        path: The file.
        types: `number`, `time`, `text` or `tags`, by column.
        rows: The values that are known, by item and column, as `task.search.facts.checked` returns them.
    """

    path: Path
    types: dict[str, str]
    rows: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Row:
    place: str  # "line 3"
    values: dict[str, Any]  # None or empty text where nothing is known


def read_facts(path: Path) -> FactsTable:
    """Reads a facts file.

    Raises:
        DataError: The file is missing or damaged, a row has another number of cells than the header, two rows name one item, a column has
            values of several types or not of its type, or a limit is exceeded.
    """
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"{path}: no rows; expected a column {ITEM!r} and one row per item")
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    if len(names) - 1 > MOST_COLUMNS:
        raise DataError(f"{path}: found {len(names) - 1} columns of facts, expected at most {MOST_COLUMNS}")
    places: dict[str, str] = {}
    for row in rows:
        item = row.values.get(ITEM)
        if not isinstance(item, str) or not item:
            raise DataError(f"{path}: {row.place}: {ITEM!r} is {str(item)[:60]!r}, expected the metadata of an item")
        if item in places:
            raise DataError(f"{path}: {places[item]} and {row.place} both name {item[:80]!r}; expected one row per item")
        places[item] = row.place
    types: dict[str, str] = {}
    found: dict[str, dict[str, Any]] = {item: {} for item in places}
    for name in names:
        if name == ITEM:
            continue
        column, kind = _typed(path, name, rows)
        if column in types:
            raise DataError(f"{path}: two columns are named {column!r}")
        types[column] = kind
        for row in rows:
            value = row.values.get(name)
            if value is None or value == "":
                continue
            if kind == "tags" and isinstance(value, str):
                value = [tag.strip() for tag in value.split(SEPARATOR) if tag.strip()]
            found[row.values[ITEM]][column] = _checked(path, row, column, kind, value)
    _check_zones(path, rows, types)
    return FactsTable(path, types, found)


def item_facts(table: FactsTable, metadata: Sequence[bytes]) -> tuple[dict[str, Column], str]:
    """The facts of items as columns, and what did not match.

    Args:
        table: The facts.
        metadata: The metadata of the items. A row names an item by them, or by the image path in them.

    Returns:
        The columns, and a line for the summary: how many items have no row, and how many rows name no item.

    Raises:
        DataError: No row names an item.
    """
    names = [next((name for name in _names(entry) if name in table.rows), None) for entry in metadata]
    used = {name for name in names if name is not None}
    if not used:
        shown = metadata[0][:80].decode("utf-8", "replace") if len(metadata) else ""
        first = next(iter(table.rows))
        raise DataError(f"{table.path}: no row names an item; {ITEM!r} is {first[:80]!r}, but the metadata of an item are {shown!r}")
    values = [table.rows[name] if name is not None else {} for name in names]
    columns = {name: stored_facts.column_of(kind, [known.get(name) for known in values]) for name, kind in table.types.items()}
    summary = f"{len(table.types)} columns from {table.path.name}"
    if None in names:
        place = names.index(None)
        summary += f"; {names.count(None)} of {len(names)} items have no row, first {metadata[place][:60].decode('utf-8', 'replace')!r}"
    surplus = [name for name in table.rows if name not in used]
    if surplus:
        summary += f"; {len(surplus)} rows name no item, first {surplus[0][:60]!r}"
    return columns, summary


def _names(metadata: bytes) -> Iterator[str]:
    yield metadata.decode("utf-8", "surrogateescape")
    image = image_of(metadata)
    if image:
        yield image


def _typed(path: Path, name: str, rows: Sequence[_Row]) -> tuple[str, str]:
    """The name of a column and its type: the one behind the colon, or that of all its values."""
    column, colon, stated = name.rpartition(":")
    if colon and stated in TYPES and column:
        return column, stated
    if not name:
        raise DataError(f"{path}: a column has no name")
    firsts: dict[str, _Row] = {}
    for row in rows:
        value = row.values.get(name)
        if value is not None and value != "":
            firsts.setdefault(_kind(value), row)
    if len(firsts) > 1:
        (one, row), (other, second) = list(firsts.items())[:2]
        raise DataError(
            f"{path}: column {name[:60]!r} has a {one} ({row.place}: {str(row.values[name])[:40]!r}) and a {other} "
            f"({second.place}: {str(second.values[name])[:40]!r}); name it {name[:60]}:text or another of {', '.join(TYPES)}"
        )
    return name, next(iter(firsts), "text")


def _kind(value: Any) -> str:
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, date):
        return "time"
    if not isinstance(value, str):
        return "tags"
    try:
        number = float(value)
        return "number" if math.isfinite(number) or value.strip().lower() == "nan" else "text"
    except ValueError:
        pass
    try:
        seconds(value)
    except MomentError:
        return "text"
    return "time"


def _checked(path: Path, row: _Row, column: str, kind: str, value: Any) -> Any:
    for cell in value if isinstance(value, list) else [value]:
        if isinstance(cell, str) and len(cell) > LONGEST_CELL:
            raise DataError(f"{path}: {row.place}: {column[:60]!r} has {len(cell)} characters, expected at most {LONGEST_CELL}")
    if kind == "number" and isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise DataError(f"{path}: {row.place}: {column[:60]!r} is {value[:60]!r}, expected a number") from error
    if kind == "text" and isinstance(value, (int, float)):
        value = str(value)
    try:
        return checked({column: value}, {column: kind}).values[column]
    except TaskError as error:
        raise DataError(f"{path}: {row.place}: {str(error).removeprefix('facts: ').rstrip('.')}") from error


def _check_zones(path: Path, rows: Sequence[_Row], types: dict[str, str]) -> None:
    """Refuses a column in which only some times say their zone: they do not compare."""
    for name in {name for row in rows for name in row.values}:
        column = name.rpartition(":")[0] if name not in types else name
        if types.get(column) != "time":
            continue
        zoned: dict[bool, _Row] = {}
        for row in rows:
            value = row.values.get(name)
            if value is not None and value != "":
                zoned.setdefault(seconds(value if isinstance(value, str) else value.isoformat())[1], row)
        if len(zoned) == 2:
            raise DataError(
                f"{path}: {column[:60]!r} has times with a zone ({zoned[True].place}) and without ({zoned[False].place}); write all alike"
            )


def _rows(path: Path) -> Iterable[_Row]:
    if not path.is_file():
        raise DataError(f"{path}: no such facts file")
    with open(path, "rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return _parquet_rows(path)
    return _json_rows(path) if ".json" in path.suffixes or path.suffix in (".jsonl", ".ndjson") else _table_rows(path)


def _json_rows(path: Path) -> Iterator[_Row]:
    with open_text(path, "facts file") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = json.loads(line, object_pairs_hook=_unrepeated)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {number} is not JSON ({error}); expected one object per line") from error
            if not isinstance(values, dict):
                raise DataError(f"{path}: line {number} is {type(values).__name__}, expected an object with the key {ITEM!r}")
            yield _Row(f"line {number}", values)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one with a key twice is an error, because only one of its values would be kept."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)[:60]!r} is there twice")
    return values


def _table_rows(path: Path) -> Iterator[_Row]:
    with open_text(path, "facts file") as file:
        first = file.readline()
        delimiter = max(DELIMITERS, key=first.count)
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        if ITEM not in header:
            raise DataError(f"{path}: line 1: no column {ITEM!r}; found {', '.join(header)[:200] or 'nothing'}")
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
                yield _Row(f"line {reader.line_num + 1}", dict(zip(header, cells, strict=True)))
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num + 1}: {error}") from error


def _parquet_rows(path: Path) -> Iterator[_Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow; install it with: pip install 'pocket-searcher[formats]'") from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]})") from error
    if ITEM not in table.column_names:
        raise DataError(f"{path}: no column {ITEM!r}; found {', '.join(table.column_names)[:200] or 'nothing'}")
    for number, values in enumerate(table.to_pylist(), start=1):
        # pandas writes a number that is not known as NaN.
        known = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}
        yield _Row(f"row {number}", known)
