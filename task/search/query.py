"""Composed queries: sentences, pictures, sounds and embeddings, added to each other or excluded."""

from __future__ import annotations

import math
import re
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from ..errors import ArgumentTypeError, InvalidArgumentError
from ..format.preparation import Preparation
from ..format.sound_format import SoundFormat


@runtime_checkable
class Picture(Protocol):
    """An image that a file can embed: `TensorImage`."""

    def prepared(self, height: int, width: int, preparation: Preparation) -> np.ndarray:
        """The pixels in the size of a query, `(height, width, 3)` uint8 RGB."""


@runtime_checkable
class Sound(Protocol):
    """A sound that a file can embed: `TensorAudio`."""

    def samples_for(self, wanted: SoundFormat) -> np.ndarray:
        """The samples of a query, `(wanted.samples,)` float32."""


Part: TypeAlias = str | Picture | Sound | np.ndarray


EXCLUDED = re.compile(r'(^|\s)-(?:"([^"]+)"|([^\s"-]\S*))')


class Query:
    """A query of several parts: sentences, `TensorImage`s, `TensorAudio`s and embeddings of the same towers, `(d,)` float32.

    Queries are not changed; each operator makes a new one.

    Examples:
        >>> from task.text import Query
        >>> query = Query("a dog on the beach") - "a ball"
        >>> query = Query("a dog") + 0.5 * Query("snow")

    Attributes:
        wanted: The parts that results should show, with their weights, which are above 0.
        excluded: The parts that results should not show.
    """

    __array_ufunc__ = None  # so that `embedding + query` is a query, not an array of queries

    wanted: tuple[tuple[Part, float], ...]
    excluded: tuple[Part, ...]

    def __init__(self, part: Part, weight: float = 1.0) -> None:
        """Takes the first part and its weight.

        Raises:
            InvalidArgumentError: The weight is not a finite number above 0, or the part is none of the four kinds.
        """
        if not isinstance(part, (str, np.ndarray, Picture, Sound)):
            raise ArgumentTypeError(
                f"a part of a query has to be a str, a TensorImage, a TensorAudio or an embedding, found {type(part).__name__}."
            )
        self.wanted, self.excluded = ((part, _checked(weight)),), ()

    @classmethod
    def parse(cls, text: str) -> Query:
        """The query that a person types: a minus directly before a word, or before words in double quotes, excludes them.

        A minus inside a word or before a space is part of the sentence.

        Examples:
            >>> Query.parse('a dog -ball -"red car"').excluded
            ('ball', 'red car')

        Raises:
            InvalidArgumentError: The text says only what to exclude.
        """
        excluded = [(phrase or word).strip() for _, phrase, word in EXCLUDED.findall(text)]
        if not excluded:
            return cls(text)
        wanted = " ".join(EXCLUDED.sub(r"\1", text).split())
        if not wanted:
            raise InvalidArgumentError(f"{text[:60]!r} says only what to exclude; say what to find, too.")
        return _made(((wanted, 1.0),), tuple(excluded))

    def __add__(self, other: Query | Part) -> Query:
        """A query with the parts of both."""
        added = _query(other)
        return _made(self.wanted + added.wanted, self.excluded + added.excluded)

    def __radd__(self, other: Part) -> Query:
        """A query with one more part."""
        return _query(other) + self

    def __sub__(self, other: Query | Part) -> Query:
        """A query that excludes the parts of another, each by itself.

        Raises:
            InvalidArgumentError: The other has a weight, or excludes something itself.
        """
        removed = _query(other)
        if removed.excluded or any(weight != 1 for _, weight in removed.wanted):
            raise InvalidArgumentError("what a query excludes has no weight and excludes nothing itself; subtract the parts one by one.")
        return _made(self.wanted, self.excluded + tuple(part for part, _ in removed.wanted))

    def __rsub__(self, other: Part) -> Query:
        """A query of one part that excludes this one."""
        return _query(other) - self

    def __mul__(self, factor: float) -> Query:
        """A query with all weights multiplied."""
        factor = _checked(factor)
        return _made(tuple((part, weight * factor) for part, weight in self.wanted), self.excluded)

    __rmul__ = __mul__

    @property
    def only_part(self) -> Part | None:
        """The part, if it is the only one and nothing is excluded."""
        return self.wanted[0][0] if len(self.wanted) == 1 and not self.excluded else None


def _query(other: Query | Part) -> Query:
    return other if isinstance(other, Query) else Query(other)


def _made(wanted: tuple[tuple[Part, float], ...], excluded: tuple[Part, ...]) -> Query:
    query = Query.__new__(Query)
    query.wanted, query.excluded = wanted, excluded
    return query


def _checked(weight: float) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float, np.number)) or not 0 < weight < math.inf:
        raise InvalidArgumentError(f"the weight of a part has to be a number above 0, found {weight!r}.")
    return float(weight)
