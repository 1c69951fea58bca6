"""The facts of the items of an open searcher: those in the file, and those of added items."""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from ..core.model_file import ModelFile
from ..errors import ArgumentTypeError, DamagedFileError, InvalidArgumentError
from ..format import facts as facts_file
from ..format.facts import Column, Numbers
from .moments import MomentError, seconds
from .where import UNITS, Condition, part_of_time

PART_OF_TIME = re.compile(rf"({'|'.join(UNITS)})\((.*)\)", re.DOTALL)

MOST_KEPT, MOST_IDS_KEPT = 16, 2_000_000  # filters whose answer is kept, and the ids in all of them

Fact: TypeAlias = float | str | datetime.date | Iterable[str]
Counts: TypeAlias = dict[str | int | float, int]


class FactsPart(Protocol):
    """The facts of some of the items, those with consecutive ids."""

    @property
    def items(self) -> int:
        """The number of these items."""

    @property
    def types(self) -> Mapping[str, str]:
        """`number`, `time`, `text` or `tags`, by column."""

    def read(self, name: str) -> Column:
        """A column of `types`."""


class StoredFacts:
    """The facts in a searcher file. A column is read and checked once, when it is first asked for.

    Attributes:
        items: Number of items.
        types: As in `FactsPart`.
    """

    def __init__(self, file: ModelFile, items: int) -> None:
        """Reads the list of columns; a file without facts has none.

        Raises:
            DamagedFileError: The list is damaged, or is that of other items.
        """
        self.items, self._name = items, file.name
        self.types: Mapping[str, str] = {}
        self._columns: dict[str, Column] = {}
        if facts_file.LIST not in file.entries:
            return
        if facts_file.DATA not in file.entries:
            raise DamagedFileError(f"{file.name}: associated file {facts_file.DATA!r} is missing.")
        try:
            self._facts = facts_file.Facts(file.read(facts_file.LIST), file.content, file.entries[facts_file.DATA])
        except facts_file.FactsError as error:
            raise DamagedFileError(f"{file.name}: {error}.") from error
        if self._facts.items != items:
            raise DamagedFileError(f"{file.name}: {facts_file.LIST} has {self._facts.items} items, the manifest {items}.")
        self.types = self._facts.types

    def read(self, name: str) -> Column:
        """A column of `types`.

        Raises:
            DamagedFileError: It is damaged.
        """
        column = self._columns.get(name)
        if column is None:
            try:
                column = self._facts.column(name)
            except facts_file.FactsError as error:
                raise DamagedFileError(f"{self._name}: {error}.") from error
            self._columns[name] = column
        return column


class AddedFacts:
    """The facts of added items. A column is made once, when it is first asked for.

    Attributes:
        items: Number of ids, those of removed items too.
        types: As in `FactsPart`.
    """

    def __init__(self, facts: Mapping[int, Mapping[str, object]], types: Mapping[str, str], ids: range) -> None:
        """Takes values that `checked` returned, by id; `ids` are those of all added items."""
        self.types, self.items = types, len(ids)
        self._facts, self._ids = facts, ids
        self._columns: dict[str, Column] = {}

    def read(self, name: str) -> Column:
        """A column of `types`."""
        column = self._columns.get(name)
        if column is None:
            known = sorted((item, values[name]) for item, values in list(self._facts.items()) if name in values and item in self._ids)
            values = facts_file.column_of(self.types[name], [value for _, value in known])
            column = facts_file.placed(values, np.array([item for item, _ in known], np.int64) - self._ids.start, self.items)
            self._columns[name] = column
        return column


@dataclass(frozen=True)
class SearchedFacts:
    """The facts of all items, part by part in the order of the ids.

    Attributes:
        parts: The parts.
        types: As in `FactsPart`, of all parts.
    """

    parts: Sequence[FactsPart]
    types: Mapping[str, str]
    _found: dict[Condition, np.ndarray] = field(default_factory=dict, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @classmethod
    def of(cls, parts: Sequence[FactsPart]) -> SearchedFacts:
        """Joins parts; where a part lacks a column of another, nothing is known.

        Raises:
            InvalidArgumentError: A column has two types.
        """
        types: dict[str, str] = {}
        for part in parts:
            for name, kind in part.types.items():
                if types.setdefault(name, kind) != kind:
                    raise InvalidArgumentError(f"the column {name!r} is {types[name]} in one file and {kind} in another.")
        return cls(parts, types)

    def matching(self, condition: Condition) -> np.ndarray:
        """The ids of the items that meet a condition, ascending, int64; read-only, and the same array while it is kept.

        Raises:
            InvalidArgumentError: There is no such column, or it has another type.
        """
        try:
            hash(condition)
        except TypeError:  # a list, for a place that is near, or a value that the condition refuses
            return self._matching(condition)
        with self._lock:
            found = self._found.get(condition)
        if found is None:
            found = self._matching(condition)
            self._keep(condition, found)
        return found

    def _matching(self, condition: Condition) -> np.ndarray:
        masks = [condition.mask(_View(part, self.types)) for part in self.parts]
        masks = [mask for mask in masks if len(mask)]
        found = np.flatnonzero(masks[0] if len(masks) == 1 else np.concatenate([*masks, np.empty(0, np.bool_)]))
        found.flags.writeable = False
        return found

    def _keep(self, condition: Condition, found: np.ndarray) -> None:
        """Keeps the answer for searches that follow; what was kept longest makes room."""
        with self._lock:
            self._found[condition] = found
            while len(self._found) > 1 and (len(self._found) > MOST_KEPT or sum(map(len, self._found.values())) > MOST_IDS_KEPT):
                del self._found[next(iter(self._found))]

    def columns(self, ids: np.ndarray) -> dict[str, Column]:
        """All columns of some items, `ids`, which ascend."""
        starts = np.cumsum([0, *(part.items for part in self.parts)])
        bounds = np.searchsorted(ids, starts)
        taken = [
            (part, ids[low:high] - start) for part, low, high, start in zip(self.parts, bounds[:-1], bounds[1:], starts[:-1], strict=True)
        ]
        return {name: facts_file.joined([_View(part, self.types).column(name).take(items) for part, items in taken]) for name in self.types}

    def counts(self, name: str, ids: np.ndarray) -> Counts:
        """How many of some items have each value of a column, the most frequent first; equal counts by value, texts by code points.

        Args:
            name: A column, or a part of a time such as `year(taken)`.
            ids: The items, ascending.

        Raises:
            InvalidArgumentError: There is no such column, or it has times, which are counted by year, month or day.
        """
        found: Counts = {}
        start = 0
        for part in self.parts:
            low, high = np.searchsorted(ids, (start, start + part.items))
            for value, count in _counted(name, _View(part, self.types).column(name).take(ids[low:high] - start)):
                found[value] = found.get(value, 0) + count
            start += part.items
        return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


@dataclass(frozen=True)
class _View:
    """A part as conditions ask it: with the columns of all parts, and the parts of times."""

    part: FactsPart
    types: Mapping[str, str]

    @property
    def items(self) -> int:
        """The number of items."""
        return self.part.items

    def column(self, name: str) -> Column:
        """A column, or a part of a time as a column of numbers."""
        if name in self.types:
            return self.part.read(name) if name in self.part.types else facts_file.absent(self.types[name], self.items)
        match = PART_OF_TIME.fullmatch(name)
        unit, of = match.groups() if match else (name, None)
        times = [column for column, kind in self.types.items() if kind == "time"]
        if of is None and unit in UNITS and len(times) == 1:
            of = times[0]
        if of is None and unit in UNITS and times:
            raise InvalidArgumentError(f"{unit!r} of which time? Write {unit}({times[0]}); there are {', '.join(times)}.")
        if of is None or of not in self.types:
            known = ", ".join(f"{column} ({kind})" for column, kind in sorted(self.types.items())[:20])
            raise InvalidArgumentError(f"there is no column {(of or name)[:80]!r}; known: {known or 'none, the file has no facts'}.")
        column = self.column(of)
        if not isinstance(column, Numbers) or not column.time:
            raise InvalidArgumentError(f"{unit}({of}): {of!r} has {column.type}, expected times.")
        return part_of_time(column, unit)


def _counted(name: str, column: Column) -> Iterable[tuple[str | int | float, int]]:
    if isinstance(column, Numbers):
        if column.time:
            raise InvalidArgumentError(f"{name!r} has times; count year({name}), month({name}) or day({name}).")
        values, counts = np.unique(column.values if column.known is None else column.values[column.known], return_counts=True)
        whole = [int(value) if value == int(value) else float(value) for value in values.tolist()]
        return list(zip(whole, counts.tolist(), strict=True))
    counts = np.bincount(column.codes, minlength=len(column.words))[: len(column.words)]
    return [(column.words[int(code)], int(counts[code])) for code in np.flatnonzero(counts)]


@dataclass(frozen=True)
class CheckedFacts:
    """The facts of one item: by column, the values as columns store them and the types."""

    values: Mapping[str, object]
    types: Mapping[str, str]


def checked(facts: Mapping[str, Fact | None], types: Mapping[str, str]) -> CheckedFacts:
    """Checks the facts of an item.

    Args:
        facts: Values by column; None where nothing is known.
        types: Types of the columns that exist. Others get the type of their value: a `datetime` or `date` is a time, a str a text.

    Raises:
        InvalidArgumentError: A value does not fit its column.
    """
    if not isinstance(facts, Mapping):
        raise ArgumentTypeError(f"facts have to be a dict of values by column, found {type(facts).__name__}.")
    found: dict[str, object] = {}
    kinds: dict[str, str] = {}
    for name, value in facts.items():
        if not isinstance(name, str) or not name:
            raise ArgumentTypeError(f"the name of a column has to be a str, found {name!r}.")
        if value is None:
            continue
        kind = kinds[name] = types.get(name) or type_of(value)
        try:
            found[name] = STORED[kind](value)
        except (TypeError, ValueError, OverflowError) as error:
            expected = {"number": "a number", "time": "a date or time", "text": "a str", "tags": "several str"}[kind]
            raise InvalidArgumentError(f"facts: {name!r} is {str(value)[:60]!r}, expected {expected} ({error}).") from error
    return CheckedFacts(found, kinds)


def type_of(value: object) -> str:
    """The type of column for a value."""
    if isinstance(value, (int, float, np.number)):
        return "number"
    if isinstance(value, datetime.date):
        return "time"
    return "text" if isinstance(value, str) else "tags"


def _number(value: object) -> float:
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"it is {type(value).__name__}")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError("it is not finite")
    if abs(number) > facts_file.MOST_EXACT:
        raise ValueError("it is too large to be exact; store it as a text")
    return number


def _time(value: object) -> int:
    if isinstance(value, datetime.date):
        value = value.isoformat()
    if not isinstance(value, str):
        raise TypeError(f"it is {type(value).__name__}")
    try:
        return seconds(value)[0]
    except MomentError as error:
        raise ValueError(str(error)) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"it is {type(value).__name__}")
    value.encode()  # lone surrogates have no UTF-8
    return value


def _tags(value: object) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"it is {type(value).__name__}")
    return sorted({_text(tag) for tag in value})


STORED: dict[str, Callable[[object], object]] = {"number": _number, "time": _time, "text": _text, "tags": _tags}
