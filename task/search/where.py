"""Conditions on the facts of items: what a filter asks for, and which items meet it.

A comparison with something that is not known is false, whichever way it is asked, and `not` turns that into true: an item without
a year meets neither `year == 2024` nor `year != 2024`, but it meets `not year == 2024`.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from ..errors import InvalidArgumentError
from ..format.facts import Column, Numbers, Tags, Texts
from .moments import MomentError, span

EARTH_KM = 6371.0088  # mean radius (IUGG)
KILOMETRES = {"km": 1.0, "m": 0.001, "mi": 1.609344}
OPERATORS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
UNITS = {"year": "Y", "month": "M", "day": "D"}  # parts of a time that are columns of their own: `year(taken)`

Value: TypeAlias = str | float


class ItemFacts(Protocol):
    """The columns of some items."""

    @property
    def items(self) -> int:
        """The number of items."""

    def column(self, name: str) -> Column:
        """A column, or a part of a time as a column of numbers.

        Raises:
            InvalidArgumentError: There is no such column.
        """


class Condition(ABC):
    """A condition on the facts of an item. `&`, `|` and `~` combine conditions."""

    @abstractmethod
    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items meet the condition, `(n,)` bool.

        Raises:
            InvalidArgumentError: There is no such column, or it has another type than the condition asks for.
        """

    def __and__(self, other: Condition) -> Condition:
        """Both hold."""
        return Both(self, other)

    def __or__(self, other: Condition) -> Condition:
        """At least one holds."""
        return Either(self, other)

    def __invert__(self) -> Condition:
        """This one does not hold."""
        return Not(self)


@dataclass(frozen=True)
class Both(Condition):
    """Two conditions hold."""

    first: Condition
    second: Condition

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items meet both."""
        return self.first.mask(facts) & self.second.mask(facts)


@dataclass(frozen=True)
class Either(Condition):
    """At least one of two conditions holds."""

    first: Condition
    second: Condition

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items meet one of them."""
        return self.first.mask(facts) | self.second.mask(facts)


@dataclass(frozen=True)
class Not(Condition):
    """A condition does not hold."""

    condition: Condition

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items do not meet it."""
        return ~self.condition.mask(facts)


@dataclass(frozen=True)
class Compare(Condition):
    """A number, time or text compares with a value by `==`, `!=`, `<`, `<=`, `>` or `>=`.

    Texts compare by their code points. A time compares with an ISO date or time, which may be cut short: `2024-05` is all of May, so that
    `<=` includes its last second and `>` begins after it.
    """

    column: str
    operator: str
    value: Value

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items compare so."""
        column = facts.column(self.column)
        if self.operator not in OPERATORS:
            raise InvalidArgumentError(f"unknown comparison {self.operator!r}, expected one of {' '.join(OPERATORS)}.")
        if isinstance(column, Tags):
            raise InvalidArgumentError(f"{self.column!r} has tags, which do not compare; ask 'a tag' in {self.column}.")
        if isinstance(column, Texts):
            return self._texts(column)
        return _known(column, self._times(column) if column.time else self._numbers(column))

    def _numbers(self, column: Numbers) -> np.ndarray:
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float, np.number)):
            raise _wrong(self.column, "numbers", self.value, "a number")
        try:
            value = float(self.value)
        except OverflowError:  # of an int of hundreds of digits
            value = math.inf if self.value > 0 else -math.inf
        if column.values.dtype.kind == "f" or not math.isfinite(value):
            return OPERATORS[self.operator](_floats(column), value)
        return self._whole(column.values, value)

    def _whole(self, values: np.ndarray, value: float) -> np.ndarray:
        """The comparison in whole numbers, which takes a fraction of the time of that in float64."""
        least, most = math.ceil(value), math.floor(value)
        if least != most and self.operator in ("==", "!="):
            return np.full(len(values), self.operator == "!=")
        bound = least if self.operator in ("<", ">=") else most
        limits = np.iinfo(values.dtype)
        if not limits.min <= bound <= limits.max:
            return np.full(len(values), bool(OPERATORS[self.operator](np.zeros(1), float(bound))[0]))
        return OPERATORS[self.operator](values, bound)

    def _times(self, column: Numbers) -> np.ndarray:
        if not isinstance(self.value, str):
            raise _wrong(self.column, "times", self.value, "a date such as 2024-05-31, a year in quotes, or year(…)")
        try:
            start, end = span(self.value)
        except MomentError as error:
            raise InvalidArgumentError(f"{self.column!r} has times: {error}.") from error
        values = column.values
        if self.operator in ("==", "!="):
            within = (values >= start) & (values < end)
            return np.asarray(within if self.operator == "==" else ~within)
        bound = start if self.operator in ("<", ">=") else end
        return np.asarray(values < bound if self.operator in ("<", "<=") else values >= bound)

    def _texts(self, column: Texts) -> np.ndarray:
        if not isinstance(self.value, str):
            raise _wrong(self.column, "texts", self.value, "a text in quotes")
        place, exact = column.words.position(self.value)
        codes, unknown = column.codes, len(column.words)
        if self.operator == "==":
            return codes == place if exact else np.zeros(len(codes), np.bool_)
        if self.operator == "!=":
            return (codes != unknown) & (codes != place) if exact else codes != unknown
        bound = place if self.operator in ("<", ">=") else place + exact
        return codes < bound if self.operator in ("<", "<=") else (codes >= bound) & (codes != unknown)


@dataclass(frozen=True)
class Has(Condition):
    """A tag is among the tags of an item, or a text contains another, letter for letter; or the contrary, if `negated`."""

    column: str
    value: str
    negated: bool = False

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items have it."""
        column = facts.column(self.column)
        if not isinstance(self.value, str):
            raise InvalidArgumentError(f"'in' asks for a text, found {self.value!r} in {self.column}.")
        if isinstance(column, Numbers):
            raise InvalidArgumentError(f"{self.column!r} has {column.type}s, but 'in' asks for tags or a part of a text.")
        if isinstance(column, Texts):
            found = column.words.containing(self.value)
            return np.append(~found if self.negated else found, False)[column.codes]
        place, exact = column.words.position(self.value)
        found = np.zeros(len(column.starts) - 1, np.bool_)
        if exact:
            found[np.searchsorted(column.starts, np.flatnonzero(column.codes == place), side="right") - 1] = True
        return ~found if self.negated else found


@dataclass(frozen=True)
class Missing(Condition):
    """Nothing is known in a column: no number, time or text, or not one tag."""

    column: str

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items have nothing there."""
        column = facts.column(self.column)
        if isinstance(column, Texts):
            return np.asarray(column.codes == len(column.words))
        if isinstance(column, Tags):
            return np.asarray(np.diff(column.starts.astype(np.int64)) == 0)
        return np.zeros(len(column.values), np.bool_) if column.known is None else ~column.known


@dataclass(frozen=True)
class Near(Condition):
    """A place is within a distance of another, along the surface of a sphere (haversine).

    Attributes:
        latitude, longitude: The columns with the place of an item, in degrees.
        at: The other place, latitude and longitude in degrees.
        kilometres: The distance, from 0.
    """

    latitude: str
    longitude: str
    at: tuple[float, float]
    kilometres: float

    def mask(self, facts: ItemFacts) -> np.ndarray:
        """Which items are as near."""
        if not (-90 <= self.at[0] <= 90 and -180 <= self.at[1] <= 180 and 0 <= self.kilometres < math.inf):
            raise InvalidArgumentError(
                f"near: found {self.at[0]}, {self.at[1]} and {self.kilometres} km, expected a latitude from -90 to 90, a longitude from "
                "-180 to 180 and a distance from 0."
            )
        columns = [facts.column(name) for name in (self.latitude, self.longitude)]
        for name, column in zip((self.latitude, self.longitude), columns, strict=True):
            if not isinstance(column, Numbers) or column.time:
                raise InvalidArgumentError(f"near: {name!r} has {column.type}, expected a column of numbers, degrees.")
        latitude, longitude = (np.radians(_floats(column)) for column in columns if isinstance(column, Numbers))
        here = np.radians(self.at)
        half = np.sin((latitude - here[0]) / 2) ** 2 + np.cos(latitude) * math.cos(here[0]) * np.sin((longitude - here[1]) / 2) ** 2
        near = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))) <= self.kilometres
        for column in columns:
            assert isinstance(column, Numbers)
            near = _known(column, near)
        return np.asarray(near)


def part_of_time(column: Numbers, unit: str) -> Numbers:
    """The year, month (1 to 12) or day (1 to 31) of times, as numbers; `unit` is a key of `UNITS`."""
    times = column.values.astype("datetime64[s]")
    whole = times.astype(f"datetime64[{UNITS[unit]}]")
    if unit == "year":
        return Numbers(whole.astype(np.int64) + 1970, column.known)
    larger = whole.astype("datetime64[Y]" if unit == "month" else "datetime64[M]").astype(whole.dtype)
    return Numbers((whole - larger).astype(np.int64) + 1, column.known)


def _floats(column: Numbers) -> np.ndarray:
    return column.values.astype(np.float64, copy=False)


def _known(column: Numbers, mask: np.ndarray) -> np.ndarray:
    return mask if column.known is None else mask & column.known


def _wrong(column: str, type_: str, value: object, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{column!r} has {type_}, but is compared with {value!r}; expected {expected}.")
