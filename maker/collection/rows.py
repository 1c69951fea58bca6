"""Rows of a collection, and the steps that a shard of them goes through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import CellType, CodeType
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]  # by column
REASON = "reason"  # the column that only rejected rows have
ITEM = "item"  # the column of values that are no rows
PLAIN = (int, float, str, bytes, type(None), list, tuple)
BATCH = "batch"  # the column of `batch`


class Step(Protocol):
    """A step of a collection. It can be pickled; what it opens, it opens where it runs."""

    @property
    def name(self) -> str:
        """What the step does, such as `map(double)`; two steps of the same name do the same."""

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows after the step. Rejected rows pass unchanged."""


@dataclass(frozen=True)
class Shard:
    """A part of a collection: the unit of work.

    Attributes:
        name: Its name, unique in the collection; files of results are named after it.
        read: Gives its rows. It can be pickled.
        state: What it reads, by which a change is noticed.
    """

    name: str
    read: Callable[[], Iterable[Row]]
    state: Any = None

    def rows(self, steps: Sequence[Step]) -> Iterator[Row]:
        """Its rows after the steps."""
        rows = iter(self.read())
        for step in steps:
            rows = step(rows)
        return rows


@dataclass(frozen=True)
class Each:
    """A step that makes several rows, or one or none, of a row.

    Attributes:
        verb: `map`, `filter` or `flat_map`.
        function: Called with each row.
    """

    verb: str
    function: Callable[[Row], Any]

    @property
    def name(self) -> str:
        """Such as `map(double 1f0c…)`, with a digest of the function's own code, so that an edit is noticed."""
        named = getattr(self.function, "name", None) or getattr(self.function, "__qualname__", type(self.function).__name__)
        code = _code_of(self.function)
        return f"{self.verb}({named}{f' {hashlib.sha256(repr(code).encode()).hexdigest()[:16]}' if code else ''})"

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows after the step."""
        for row in rows:
            if REASON in row:
                yield row
                continue
            try:
                made = self._made(row)
            except Exception as error:  # whatever the function raises is the row's own
                made = [rejected(row, error)]
            yield from made

    def _made(self, row: Row) -> list[Row]:
        result = self.function(row)
        if self.verb == "filter":
            return [row] if result else []
        return [row_of(value) for value in result] if self.verb == "flat_map" else [row_of(result)]


@dataclass(frozen=True)
class Batch:
    """A step that makes one row of `size` rows: a list in the column `batch`. Rejected rows stay rows of their own."""

    size: int

    @property
    def name(self) -> str:
        """Such as `batch(32)`."""
        return f"batch({self.size})"

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows after the step."""
        waiting: list[Row] = []
        for row in rows:
            if REASON in row:
                yield row
                continue
            waiting.append(row)
            if len(waiting) == self.size:
                yield {BATCH: waiting}
                waiting = []
        if waiting:
            yield {BATCH: waiting}


@dataclass(frozen=True)
class Select:
    """A step that keeps some columns, and the reason of rejected rows."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as `select(path, embedding)`."""
        return f"select({', '.join(self.columns)})"

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows after the step."""
        for row in rows:
            if REASON in row:
                yield {column: row[column] for column in (*self.columns, REASON) if column in row}
                continue
            missing = [column for column in self.columns if column not in row]
            kept = {column: row[column] for column in self.columns if column in row}
            yield {**kept, REASON: f"no column {missing[0]!r}; found {', '.join(row)}"} if missing else kept


def _code_of(function: Any) -> list[Any]:
    """What a function does by itself: its code, and the plain values that it has as defaults, in its closure or by `functools.partial`."""
    if isinstance(function, partial):
        return [_code_of(function.func), _plain([*function.args, *sorted(function.keywords.items())])]
    if not hasattr(function, "__code__"):
        return []
    closure = [cell.cell_contents for cell in function.__closure__ or () if cell != CellType()]
    return [_parts_of(function.__code__), _plain([*(function.__defaults__ or ()), *closure])]


def _parts_of(code: CodeType) -> list[Any]:
    inner = [_parts_of(value) if isinstance(value, CodeType) else value for value in code.co_consts]
    ordered = [sorted(map(repr, value)) if isinstance(value, frozenset) else value for value in inner]
    return [code.co_code, code.co_names, ordered]


def _plain(values: list[Any]) -> list[Any]:
    """Those whose text says all of them."""
    return [_plain(list(value)) if isinstance(value, (list, tuple)) else value for value in values if isinstance(value, PLAIN)]


def row_of(value: Any) -> Row:
    """A value as a row: a dict as it is, any other in the column `item`. A reason of None, as files of results have it, is none."""
    if not isinstance(value, dict):
        return {ITEM: value}
    return {column: one for column, one in value.items() if column != REASON} if value.get(REASON, "") is None else value


def rejected(row: Row, error: Exception) -> Row:
    """A row that a step could not do."""
    text = " ".join(str(error).split())
    return {**row, REASON: text if is_own(error) else f"{type(error).__name__}: {text}".removesuffix(": ")}


def is_own(error: Exception) -> bool:
    """Whether this project raised the error, whose text then says all."""
    from maker.errors import MakerError
    from task.errors import TaskError

    return isinstance(error, (MakerError, TaskError))
