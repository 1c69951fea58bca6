"""Words of a text, and whole words looked up by their hashes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.hashed import Hashed
from maker.tokenizers.utf8 import CONTINUATION
from maker.tokenizers.values import ONE, flags, int32, to_places

# Polynomial hashes of a word's bytes, which subtract as prefix sums do; two of 32 bits, so that a false match is out of the question.
BASES = (1000003, 0x5B000193)
APOSTROPHE = "'"
LEAD_BYTES = 1 - CONTINUATION


@dataclass(frozen=True)
class Words:
    """Where the words of a text lie; `[s]` int32 tensors unless stated.

    Attributes:
        number: Each place's word, from 1 on; 0 where there is none, or one beyond the last that is read.
        start, end: Flags of first and last places.
        limit: Words that are read.
        first, last: `[limit + 1]` places of each word's first and last place; 0 for words that there are not.
        count: `[1]` how many there are.
    """

    number: int
    start: int
    end: int
    limit: int
    first: int
    last: int
    count: int


def split(g: Subgraph, byte: int, kind: int, alone: Collection[int], limit: int, contractions: bool = False) -> Words:
    """Splits where the kind of character changes.

    Args:
        g: The subgraph.
        byte: `[s]` int32 bytes.
        kind: `[s]` int32 kinds from 0 to 3; 0 is between words.
        alone: Kinds whose characters are words of their own.
        limit: Words that are read.
        contractions: Whether 's, 't, 'm, 'd, 're, 've and 'll are words of their own behind anything but an apostrophe of kind 3.
    """
    inside = g.minimum(kind, ONE)
    changed = g.cast(g.not_equal(kind, g.shift(kind, 1)), np.int32)
    single = g.mul(g.gather(flags(list(alone), 4), kind), g.gather(LEAD_BYTES, byte))
    start = g.maximum(changed, single)
    if contractions:
        short, long = _contractions(g, byte, kind)
        start = g.mul(start, g.sub(ONE, g.shift(g.add(short, long), 1)))
        start = g.maximum(g.maximum(start, g.shift(short, 2)), g.shift(long, 3))
    return number_words(g, g.mul(start, inside), inside, limit)


def number_words(g: Subgraph, start: int, inside: int, limit: int) -> Words:
    """Words by their starts and by where there is anything, `[s]` int32 flags each."""
    (s,) = g.shape(start)
    number = g.cumsum(start)
    read = g.mul(inside, g.cast(g.less_equal(number, int32(limit)), np.int32))
    start = g.mul(start, read)
    end = g.mul(read, g.maximum(g.shift(start, -1), g.sub(ONE, g.shift(read, -1))))
    number_here = g.mul(g.minimum(number, int32(limit)), read)
    place_ = np.arange(s, dtype=np.int32)
    first, last = (to_places(g, number_here, place_, flag, limit + 1) for flag in (start, end))
    count = g.minimum(g.slice(number, (s - 1,), (1,)), int32(limit))
    return Words(number_here, start, end, limit, first, last, count)


def _contractions(g: Subgraph, byte: int, kind: int) -> tuple[int, int]:
    """Flags of apostrophes before one letter, and before two."""
    apostrophe = g.mul(g.gather(flags(APOSTROPHE), byte), g.gather(np.array([1, 1, 1, 0], np.int32), g.shift(kind, 1)))
    one_letter, first_of_two, second_of_two = np.zeros(256, np.int32), np.zeros(256, np.int32), np.zeros(256, np.int32)
    one_letter[list(b"stmd")] = 1
    for number, letters in enumerate((b"re", b"ve", b"ll"), 1):
        first_of_two[letters[0]] = number
        second_of_two[letters[1]] |= 1 << number
    following, after = g.shift(byte, -1), g.shift(byte, -2)
    short = g.mul(apostrophe, g.gather(one_letter, following))
    # bit `number` of the second letter's entry says whether the pair exists
    matched = np.array([[number > 0 and bits >> number & 1 for bits in range(16)] for number in range(4)], np.int32).reshape(-1)
    pair = g.add(g.mul(g.gather(first_of_two, following), int32(16)), g.gather(second_of_two, after))
    return short, g.mul(apostrophe, g.gather(matched, pair))


class WordTable:
    """Whole words and what they stand for, found by their hashes."""

    def __init__(self, words: Mapping[bytes, int]) -> None:
        """Takes the words' ids, none negative.

        Raises:
            EncoderError: Two words share both hashes.
        """
        hashes = [np.array([_hash(word, base) for word in words] or [0], np.uint32).view(np.int32) for base in BASES]
        ids = np.array(list(words.values()) or [-1], np.int32)
        self._places = Hashed(*hashes)
        self._ids = self._places.table(ids, -1)
        self._checks = [self._places.table(values, 0) for values in hashes]
        self._powers: dict[tuple[int, int], np.ndarray] = {}

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return self._places.nbytes + self._ids.nbytes + sum(check.nbytes for check in self._checks)

    def look_up(self, g: Subgraph, byte: int, first: int, last: int) -> int:
        """The ids of words, `[w]`, by their places in the bytes `[s]`; -1 where there is none."""
        (s,) = g.shape(byte)
        value = g.add(byte, ONE)
        hashes = []
        for base in BASES:
            prefix = g.cumsum(g.mul(value, self._power(base, s)))
            total = g.sub(g.gather(prefix, last), g.gather(g.shift(prefix, 1), first))
            hashes.append(g.mul(total, g.gather(self._power(pow(base, -1, 1 << 32), s), first)))
        slot = self._places.find(g, *hashes)
        same = [g.equal(g.gather(check, slot), found) for check, found in zip(self._checks, hashes, strict=True)]
        return g.select(g.logical_and(*same), g.gather(self._ids, slot), int32(-1))

    def _power(self, base: int, count: int) -> np.ndarray:
        if (base, count) not in self._powers:
            powers = np.ones(count, np.uint32)
            for i in range(1, count):
                powers[i] = int(powers[i - 1]) * base & 0xFFFFFFFF
            self._powers[base, count] = powers.view(np.int32)
        return self._powers[base, count]


def _hash(word: bytes, base: int) -> int:
    total, power = 0, 1
    for value in word:
        total = (total + (value + 1) * power) & 0xFFFFFFFF
        power = power * base & 0xFFFFFFFF
    return total
