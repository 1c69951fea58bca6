"""Queries with filters, exclusions and the items that answer them, in files of users: CSV, TSV, JSON lines and Parquet.

query        what a person types; a minus before a word excludes it (`task.search.query.Query.parse`)
where        optional: a filter on the facts of the items
relevant     the items that answer the query, by their metadata: separated by `|`, or a list
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.data.rows import Row, read_rows
from maker.errors import DataError
from task.errors import TaskError
from task.search.query import Query
from task.search.where_parser import parsed

QUERY, WHERE, RELEVANT = "query", "where", "relevant"
SEPARATOR = "|"


@dataclass(frozen=True)
class AskedQuery:
    """A query and its answers.

    Attributes:
        text: As a person types it.
        where: Its filter; empty for none.
        relevant: The metadata of the items that answer it.
        place: Where it is in the file.
    """

    text: str
    where: str
    relevant: Sequence[str]
    place: str

    @property
    def excludes(self) -> bool:
        """Whether it excludes something."""
        return bool(Query.parse(self.text).excluded)


def read_query_file(path: Path) -> list[AskedQuery]:
    """Reads the queries.

    Raises:
        DataError: The file is missing or damaged, has another column, or a row has no query or no relevant item, or a filter or query that
            cannot be understood.
    """
    queries = [_query(path, row) for row in read_rows(path, QUERY, "file of queries")]
    if not queries:
        raise DataError(f"{path}: no rows; expected the columns {QUERY}, {RELEVANT} and, if there are filters, {WHERE}")
    return queries


def _query(path: Path, row: Row) -> AskedQuery:
    other = [name for name in row.values if name not in (QUERY, WHERE, RELEVANT)]
    if other:
        raise DataError(f"{path}: found the column {other[0][:60]!r}, expected {QUERY}, {RELEVANT} and, if there are filters, {WHERE}")
    text, where = (_text(path, row, name) for name in (QUERY, WHERE))
    if not text.strip():
        raise DataError(f"{path}: {row.place}: {QUERY!r} is empty")
    relevant = row.values.get(RELEVANT) or []
    names = [name.strip() for name in relevant.split(SEPARATOR)] if isinstance(relevant, str) else relevant
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not any(names):
        raise DataError(f"{path}: {row.place}: {RELEVANT!r} is {str(relevant)[:60]!r}, expected the metadata of at least one item")
    try:
        _ = [os.fsencode(name) for name in names]
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: {row.place}: {RELEVANT!r} has {error.object!r}, whose half surrogate pair no item can have") from error
    try:
        Query.parse(text)
        if where:
            parsed(where)
    except TaskError as error:
        raise DataError(f"{path}: {row.place}: {str(error).rstrip('.')}") from error
    return AskedQuery(text, where, [name for name in names if name], row.place)


def _text(path: Path, row: Row, name: str) -> str:
    value: Any = row.values.get(name)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{path}: {row.place}: {name!r} is {str(value)[:60]!r}, expected a text")
    return value or ""
