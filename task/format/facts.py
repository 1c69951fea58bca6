"""`facts.json` and `facts.bin`: what is known about the items, column by column. docs/format.md specifies both.

`facts.json` lists the columns and where their arrays are in `facts.bin`. A reader takes views of the arrays that it needs.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from mmap import mmap
from typing import Any, TypeAlias

import numpy as np

from .arrays import Arrays, ArraysError, ascends, view

LIST, DATA = "facts.json", "facts.bin"
INTEGERS = ("<i1", "<i2", "<i4", "<i8")
CODES = ("<u1", "<u2", "<u4")
TYPES = ("number", "time", "text", "tags")
MOST_EXACT = 1 << 53  # whole numbers up to this one are exact in float64


class FactsError(Exception):
    """The facts cannot be read."""


@dataclass(frozen=True, eq=False)
class Words:
    """Distinct texts in ascending order of their UTF-8 bytes, which is that of their code points.

    Attributes:
        offsets: `(w + 1,)` where each begins in `content`.
        content: `(bytes,)` uint8, all of them one after the other.
    """

    offsets: np.ndarray
    content: np.ndarray

    @classmethod
    def of(cls, texts: Iterable[str]) -> Words:
        """The distinct texts among some."""
        return cls.of_encoded({text.encode() for text in texts})

    @classmethod
    def of_encoded(cls, texts: Iterable[bytes]) -> Words:
        """The same from distinct UTF-8 bytes."""
        ordered = sorted(texts)
        return cls(np.cumsum([0, *map(len, ordered)]), np.frombuffer(b"".join(ordered), np.uint8))

    def numbers(self) -> dict[bytes, int]:
        """The number of each text by its UTF-8 bytes."""
        return {text: number for number, text in enumerate(self.all())}

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.offsets) - 1

    def encoded(self, number: int) -> bytes:
        """The UTF-8 bytes of a text."""
        return self.content[int(self.offsets[number]) : int(self.offsets[number + 1])].tobytes()

    def all(self) -> list[bytes]:
        """The UTF-8 bytes of all texts."""
        content, offsets = self.content.tobytes(), self.offsets.tolist()
        return [content[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)]

    def __getitem__(self, number: int) -> str:
        """A text."""
        return self.encoded(number).decode("utf-8", "replace")

    def position(self, text: str) -> tuple[int, bool]:
        """How many texts are below this one, and whether it is among them."""
        wanted = text.encode("utf-8", "surrogatepass")
        place = bisect_left(range(len(self)), wanted, key=self.encoded)
        return place, place < len(self) and self.encoded(place) == wanted

    def containing(self, text: str) -> np.ndarray:
        """`(w,)` bool: which texts contain this one, letter for letter."""
        wanted, content = text.encode("utf-8", "surrogatepass"), self.content.tobytes()
        found = np.full(len(self), not wanted)
        at = content.find(wanted) if wanted else -1
        while at >= 0:
            word = int(np.searchsorted(self.offsets, at, side="right")) - 1
            end = int(self.offsets[word + 1])
            if at + len(wanted) <= end:
                found[word] = True
                at = content.find(wanted, end)  # further places in this text change nothing
            else:
                at = content.find(wanted, at + 1)
        return found


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers, or of times in seconds since 1970.

    Attributes:
        values: `(n,)` any number type; 0 where nothing is known.
        known: `(n,)` bool; None if all are.
        time: Whether they are times.
    """

    values: np.ndarray
    known: np.ndarray | None
    time: bool = False

    @property
    def type(self) -> str:
        """`number` or `time`."""
        return "time" if self.time else "number"

    def take(self, items: np.ndarray) -> Numbers:
        """The column of some items."""
        return Numbers(self.values[items], None if self.known is None else self.known[items], self.time)


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts.

    Attributes:
        words: The distinct texts.
        codes: `(n,)` the number of each item's text; `len(words)` where nothing is known.
    """

    words: Words
    codes: np.ndarray
    type = "text"

    def take(self, items: np.ndarray) -> Texts:
        """The column of some items."""
        return Texts(self.words, self.codes[items])


@dataclass(frozen=True, eq=False)
class Tags:
    """A column of sets of texts. An item without tags has an empty set.

    Attributes:
        words: The distinct tags.
        starts: `(n + 1,)` where the tags of each item begin in `codes`.
        codes: `(t,)` the numbers of the tags, ascending for each item.
    """

    words: Words
    starts: np.ndarray
    codes: np.ndarray
    type = "tags"

    def take(self, items: np.ndarray) -> Tags:
        """The column of some items."""
        starts, counts = self.starts[items].astype(np.int64), np.diff(self.starts.astype(np.int64))[items]
        new = np.cumsum([0, *counts])
        places = np.arange(new[-1]) + np.repeat(starts - new[:-1], counts)
        return Tags(self.words, new, self.codes[places])


Column: TypeAlias = Numbers | Texts | Tags


def numbers(values: Sequence[float | None], time: bool = False) -> Numbers:
    """A column from numbers, or from seconds since 1970; None where nothing is known."""
    known = np.array([value is not None for value in values], np.bool_)
    filled = np.array([0 if value is None else value for value in values], np.int64 if time else np.float64)
    return Numbers(filled, None if known.all() else known, time)


def texts(values: Sequence[str | None]) -> Texts:
    """A column from texts; None where nothing is known."""
    words = Words.of(value for value in values if value is not None)
    number = words.numbers()
    return Texts(words, np.array([len(words) if value is None else number[value.encode()] for value in values], np.int64))


def tags(values: Sequence[Iterable[str]]) -> Tags:
    """A column from sets of tags."""
    words = Words.of(tag for value in values for tag in value)
    number = words.numbers()
    codes = [sorted({number[tag.encode()] for tag in value}) for value in values]
    starts = np.cumsum([0, *map(len, codes)])
    return Tags(words, starts, np.array([code for item in codes for code in item], np.int64))


def column_of(kind: str, values: Sequence[Any]) -> Column:
    """A column of a type from its values; None where nothing is known."""
    if kind == "text":
        return texts(values)
    if kind == "tags":
        return tags([value or () for value in values])
    return numbers(values, kind == "time")


def placed(column: Column, places: np.ndarray, items: int) -> Column:
    """A column of `items` items: those at `places`, ascending, have the values of another column; of the others nothing is known."""
    if isinstance(column, Numbers):
        values, known = np.zeros(items, column.values.dtype), np.zeros(items, np.bool_)
        values[places] = column.values
        known[places] = True if column.known is None else column.known
        return Numbers(values, None if known.all() else known, column.time)
    if isinstance(column, Texts):
        codes = np.full(items, len(column.words), np.int64)
        codes[places] = column.codes
        return Texts(column.words, codes)
    counts = np.zeros(items, np.int64)
    counts[places] = np.diff(column.starts.astype(np.int64))
    return Tags(column.words, np.concatenate([[0], np.cumsum(counts)]), column.codes)


def absent(kind: str, items: int) -> Column:
    """A column in which nothing is known of any item."""
    empty, zeros = column_of(kind, []), np.zeros(items, np.int64)
    if isinstance(empty, Numbers):
        return Numbers(zeros, np.zeros(items, np.bool_), empty.time)
    return Texts(empty.words, zeros) if isinstance(empty, Texts) else Tags(empty.words, np.zeros(items + 1, np.int64), empty.codes)


def values_of(column: Column) -> list[Any]:
    """The value of each item: a number, seconds, a text or a list of tags; None where nothing is known."""
    if isinstance(column, Numbers):
        known = [True] * len(column.values) if column.known is None else column.known.tolist()
        return [value if there else None for value, there in zip(column.values.tolist(), known, strict=True)]
    words: list[str | None] = [text.decode("utf-8", "replace") for text in column.words.all()]
    found = [[*words, None][code] for code in column.codes.tolist()]
    if isinstance(column, Texts):
        return found
    starts = column.starts.tolist()
    return [found[start:end] for start, end in zip(starts[:-1], starts[1:], strict=True)]


def joined(columns: Sequence[Column]) -> Column:
    """Columns of one type, one behind the other."""
    first = columns[0]
    if isinstance(first, Numbers):
        parts = [column for column in columns if isinstance(column, Numbers)]
        known = [np.ones(len(part.values), np.bool_) if part.known is None else part.known for part in parts]
        wide = np.int64 if first.time else np.float64
        whole = np.concatenate(known)
        return Numbers(np.concatenate([part.values.astype(wide) for part in parts]), None if whole.all() else whole, first.time)
    worded = [column for column in columns if not isinstance(column, Numbers)]
    words = Words.of_encoded({text for column in worded for text in column.words.all()})
    number = words.numbers()
    moved = [np.array([*(number[text] for text in column.words.all()), len(words)])[column.codes] for column in worded]
    codes = np.concatenate(moved)
    if isinstance(first, Texts):
        return Texts(words, codes)
    counts = [np.diff(column.starts.astype(np.int64)) for column in worded if isinstance(column, Tags)]
    return Tags(words, np.cumsum([0, *np.concatenate(counts)]), codes)


def encode(columns: Mapping[str, Column], items: int) -> tuple[bytes, bytes]:
    """The contents of `facts.json` and `facts.bin`; the columns have one value for each of `items` items."""
    data = Arrays()
    described: list[dict[str, Any]] = []
    for name, column in columns.items():
        arrays: dict[str, Any] = {}
        if isinstance(column, Numbers):
            arrays["values"] = data.put(_narrowest(column.values))
            if column.known is not None and not column.known.all():
                arrays["known"] = data.put(np.packbits(column.known, bitorder="little"))
        else:
            column = _compact(column)
            arrays["words"], arrays["offsets"] = data.put(column.words.content), data.put(column.words.offsets.astype("<u4"))
            if isinstance(column, Tags):
                arrays["starts"] = data.put(column.starts.astype("<u4"))
            arrays["codes"] = data.put(column.codes.astype(next(code for code in CODES if len(column.words) <= np.iinfo(code).max)))
        described.append({"name": name, "type": column.type, **arrays})
    listed = {"items": items, "columns": described}
    return (json.dumps(listed, ensure_ascii=False, allow_nan=False) + "\n").encode(), bytes(data.content)


def _compact(column: Texts | Tags) -> Texts | Tags:
    """The column without texts that no item has: those of removed items do not stay in a file."""
    words, used = column.words, np.unique(column.codes)
    used = used[used < len(words)]
    if len(used) == len(words):
        return column
    texts = words.all()
    return replace(column, words=Words.of_encoded(texts[number] for number in used.tolist()), codes=np.searchsorted(used, column.codes))


def _narrowest(values: np.ndarray) -> np.ndarray:
    """The same numbers in the smallest type that holds each of them exactly."""
    for dtype in (*INTEGERS, "<f4"):
        with np.errstate(invalid="ignore", over="ignore"):
            small = values.astype(dtype)
            if np.array_equal(small.astype(values.dtype), values) and (np.abs(values) <= MOST_EXACT).all():
                return small
    return values.astype("<f8")


class Facts:
    """The columns in a file; a column is read when it is asked for.

    Attributes:
        items: Number of items.
        types: `number`, `time`, `text` or `tags`, by column.
    """

    def __init__(self, listed: bytes, content: bytes | mmap, place: tuple[int, int]) -> None:
        """Reads the list of columns.

        Args:
            listed: The content of `facts.json`.
            content: The whole searcher.
            place: Offset and size of `facts.bin` in it, in bytes.

        Raises:
            FactsError: The list is damaged.
        """
        self._content, (self._start, self._size) = content, place
        try:
            described = json.loads(listed)
            self.items = int(described["items"])
            self._columns = {str(column["name"]): column for column in described["columns"]}
            found = {name: str(column["type"]) for name, column in self._columns.items()}
            self.types = {name: kind for name, kind in found.items() if kind in TYPES}  # a newer release may have others
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError, OverflowError) as error:
            raise FactsError(f"{LIST} is damaged ({type(error).__name__}: {error})") from error

    def column(self, name: str) -> Column:
        """A column.

        Raises:
            KeyError: There is no such column.
            FactsError: It is damaged.
        """
        described, kind = self._columns[name], self.types[name]
        if kind in ("number", "time"):
            values = self._array(name, described, "values", self.items)
            known = None
            if "known" in described:
                bits = self._array(name, described, "known", (self.items + 7) // 8).view(np.uint8)
                known = np.unpackbits(bits, count=self.items, bitorder="little").view(np.bool_)
            return Numbers(values, known, kind == "time")
        offsets, content = self._array(name, described, "offsets"), self._array(name, described, "words")
        _check_starts(name, offsets, len(content))
        words = Words(offsets, content.view(np.uint8))
        if kind == "text":
            codes = self._array(name, described, "codes", self.items)
            _check_codes(name, codes, len(words) + 1)
            return Texts(words, codes)
        codes = self._array(name, described, "codes")
        _check_codes(name, codes, len(words))
        starts = self._array(name, described, "starts", self.items + 1)
        _check_starts(name, starts, len(codes))
        return Tags(words, starts, codes)

    def _array(self, name: str, described: dict[str, Any], part: str, length: int | None = None) -> np.ndarray:
        try:
            found = view(self._content, (self._start, self._size), described.get(part), f"{part} of {name!r}", length)
        except ArraysError as error:
            raise FactsError(f"{LIST}: {error}") from error
        return np.require(found, requirements="A")  # a file does not align them; aligned ones compare in half the time


def _check_starts(name: str, starts: np.ndarray, end: int) -> None:
    if not ascends(starts, end):
        raise FactsError(f"{DATA}: the places in {name!r} do not ascend from 0 to {end}")


def _check_codes(name: str, codes: np.ndarray, end: int) -> None:
    if len(codes) and (codes.dtype.kind != "u" or int(codes.max()) >= end):
        raise FactsError(f"{DATA}: a value of {name!r} is not among its {end}")
