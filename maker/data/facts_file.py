"""Facts about items in files of users: CSV, TSV, JSON lines and Parquet, one row per item.

The column `item` names the item by its metadata. Any other column may say its type in its name, as in `keywords:tags`; else the type is
that of its values. Tags in a table are separated by `|`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from maker.data.image_names import ImageNames
from maker.data.items import image_of
from maker.data.rows import Row, read_rows
from maker.errors import DataError
from task.errors import TaskError
from task.format import facts as stored_facts
from task.format.facts import TYPES, Column
from task.format.moment import file_of
from task.search.facts import checked
from task.search.moments import MomentError, seconds

ITEM = "item"
MOST_COLUMNS = 200
LONGEST_CELL = 10_000  # characters
SEPARATOR = "|"


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


def read_facts(path: Path) -> FactsTable:
    """Reads a facts file.

    Raises:
        DataError: The file is missing or damaged, a row has another number of cells than the header, two rows name one item, a column has
            values of several types or not of its type, or a limit is exceeded.
    """
    rows = list(read_rows(path, ITEM, "facts file"))
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
        metadata: The metadata of the items. A row names an item by them, or by the image path in them, in any Unicode normal form.

    Returns:
        The columns, and a line for the summary: how many items have no row, and how many rows name no item.

    Raises:
        DataError: No row names an item.
    """
    rows = ImageNames(table.rows)
    names = [next((name for name in map(rows.find, _names(entry)) if name is not None), None) for entry in metadata]
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
        yield file_of(image)


def _typed(path: Path, name: str, rows: Sequence[Row]) -> tuple[str, str]:
    """The name of a column and its type: the one behind the colon, or that of all its values."""
    column, colon, stated = name.rpartition(":")
    if colon and stated in TYPES and column:
        return column, stated
    if not name:
        raise DataError(f"{path}: a column has no name")
    firsts: dict[str, Row] = {}
    for row in rows:
        value = row.values.get(name)
        if value is not None and value != "":
            firsts.setdefault(_kind(value), row)
    if len(firsts) > 1:
        (one, row), (other, second) = list(firsts.items())[:2]
        advice = f"name it {name[:60]}:text or another of {', '.join(TYPES)}"
        if {one, other} == {"time", "text"}:
            advice = f"{_no_date(firsts['text'].values[name])}; correct it, or {advice}"
        raise DataError(
            f"{path}: column {name[:60]!r} has a {one} ({row.place}: {str(row.values[name])[:40]!r}) and a {other} "
            f"({second.place}: {str(second.values[name])[:40]!r}); {advice}"
        )
    return name, next(iter(firsts), "text")


def _no_date(text: str) -> str:
    """Why a text is no date."""
    try:
        seconds(text)
    except MomentError as error:
        return str(error)
    return ""


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


def _checked(path: Path, row: Row, column: str, kind: str, value: Any) -> Any:
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


def _check_zones(path: Path, rows: Sequence[Row], types: dict[str, str]) -> None:
    """Refuses a column in which only some times say their zone: they do not compare."""
    for name in {name for row in rows for name in row.values}:
        column = name.rpartition(":")[0] if name not in types else name
        if types.get(column) != "time":
            continue
        zoned: dict[bool, Row] = {}
        for row in rows:
            value = row.values.get(name)
            if value is not None and value != "":
                zoned.setdefault(seconds(value if isinstance(value, str) else value.isoformat())[1], row)
        if len(zoned) == 2:
            raise DataError(
                f"{path}: {column[:60]!r} has times with a zone ({zoned[True].place}) and without ({zoned[False].place}); write all alike"
            )
