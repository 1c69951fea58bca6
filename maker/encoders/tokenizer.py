"""The text tower's tokenizer, written as graph operators: UTF-8 bytes in, rows of the embedding table and their weights out.

Units are words (runs of letters and digits, folded) and single characters of scripts written without spaces. A unit and a pair of
neighbouring units are looked up by their hash in a bucket table; a word that is not there is replaced by its character trigrams, hashed
into a fixed number of rows (Bojanowski et al., TACL 2017, section 3.2), so that a typo or a plural still says something.

Hashes are polynomial: a window's hash is a difference of prefix sums of `value * PRIME^position` (int32, wrapping), brought back to
position 0 by the inverse power. Training runs this same graph (`maker.encoders.tokenize`), so there is no second definition to agree with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.encoders import characters
from maker.errors import EncoderError
from maker.graph.subgraph import Subgraph

PRIME = 1000003
PAIR_FACTOR = 0x5BD1E995 - (1 << 32) if 0x5BD1E995 >> 31 else 0x5BD1E995
EDGE = 7  # what a separator counts as in a trigram; no folded letter is 6
WAYS = 24  # entries of a bucket: with fewer, the fullest bucket leaves most of the others empty
GRAM = 3


@dataclass(frozen=True, kw_only=True)
class TokenizerSize:
    """How much of a query is read; what lies beyond is ignored.

    Attributes:
        max_bytes: UTF-8 bytes of the query.
        max_characters: Characters, combining marks not counted.
        max_units: Words and single characters.
        max_grams: Trigrams of unknown words.
        gram_rows: Rows that trigrams are hashed into.
    """

    max_bytes: int = 256
    max_characters: int = 160
    max_units: int = 48
    max_grams: int = 48
    gram_rows: int = 4096


@dataclass(frozen=True)
class Units:
    """Tensors of the vocabulary-free half; `(u,)` unless stated, int32 with flags as 0 or 1."""

    hashes: int
    present: int
    pair_hashes: int
    pair_present: int
    is_word: int
    lengths: int
    gram_rows: int  # (c,) hashed row of the trigram that ends at each character
    gram_unit: int  # (c,) the unit that the trigram is part of
    gram_present: int  # (c,) 1 where the trigram lies within one word and its two edges


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _powers(base: int, count: int) -> np.ndarray:
    return np.array([_int32(pow(base, i, 1 << 32)) for i in range(count)], np.int32)


def _scalar(value: int) -> np.ndarray:
    return np.array(value, np.int32)


def units(g: Subgraph, query: int, size: TokenizerSize) -> Units:
    """Splits `query` (uint8 `[1, max_bytes]`, zero padded) into units and hashes them and their trigrams."""
    folded, kind = _characters(g, query, size)
    c, u = size.max_characters, size.max_units
    reading_order = np.arange(c, 0, -1, dtype=np.int32)
    word = g.gather(np.array([0, 1, 0, 0], np.int32), kind)
    single = g.gather(np.array([0, 0, 1, 0], np.int32), kind)
    letter = g.add(word, single)
    value = g.add(g.mul(g.add(folded, _scalar(1 - EDGE)), letter), _scalar(EDGE))
    prefix = g.cumsum(g.mul(value, _powers(PRIME, c)))
    inverses = _powers(pow(PRIME, -1, 1 << 32), c)

    # A unit's first and last characters, listed in reading order: the j-th start and the j-th end belong to the j-th unit.
    start = g.add(g.mul(word, g.sub(_scalar(1), g.shift(word, 1))), single)
    end = g.add(g.mul(word, g.sub(_scalar(1), g.shift(word, -1))), single)
    rank, first = g.top_k(g.mul(start, reading_order), u)
    _, last = g.top_k(g.mul(end, reading_order), u)
    present = g.minimum(rank, _scalar(1))
    before = g.shift(prefix, 1)
    hashes = g.mul(g.mul(g.sub(g.gather(prefix, last), g.gather(before, first)), g.gather(inverses, first)), present)

    # A pair: this unit and the one before it, with nothing or one separator between them.
    gap = g.sub(first, g.shift(last, 1))
    close = g.cast(g.less_equal(gap, _scalar(2)), np.int32)
    pair_present = g.mul(g.mul(present, g.shift(present, 1)), close)
    pair_hashes = g.add(g.mul(g.shift(hashes, 1), _scalar(PAIR_FACTOR)), hashes)

    # The trigram that ends at character i lies around i - 1, which must be within a word.
    window = g.sub(prefix, g.shift(prefix, GRAM))
    gram_hashes = g.mul(window, g.concat([np.zeros(2, np.int32), inverses[: c - 2]]))
    gram_rows = g.floor_mod(gram_hashes, _scalar(size.gram_rows))
    count = g.maximum(g.sub(g.shift(g.cumsum(start), 1), _scalar(1)), _scalar(0))
    number = g.minimum(count, _scalar(u - 1))
    return Units(
        hashes=hashes,
        present=present,
        pair_hashes=pair_hashes,
        pair_present=pair_present,
        is_word=g.mul(g.gather(word, first), present),
        lengths=g.add(g.sub(last, first), _scalar(1)),
        gram_rows=gram_rows,
        gram_unit=number,
        gram_present=g.mul(g.shift(word, 1), g.cast(g.equal(count, number), np.int32)),  # not of words beyond the last unit
    )


def _characters(g: Subgraph, query: int, size: TokenizerSize) -> tuple[int, int]:
    """Folded code points and classes, both `(max_characters,)` int32; the first is a separator, unused places are too."""
    byte = g.cast(g.reshape(query, (size.max_bytes,)), np.int32)
    byte = g.concat([np.zeros(1, np.int32), byte])  # a separator before the first word
    n = size.max_bytes + 1
    code, *factors, is_lead = (g.gather(np.ascontiguousarray(column), byte) for column in characters.lead_bytes().T)
    for ahead, factor in enumerate(factors, start=1):
        code = g.add(code, g.mul(factor, g.shift(byte, -ahead)))
    code = g.maximum(g.minimum(code, _scalar(characters.LAST_CODE_POINT)), _scalar(0))  # damaged UTF-8
    starts, rows = characters.tables()
    page = g.floor_div(code, _scalar(characters.PAGE))
    entry = g.gather(rows, g.add(g.gather(starts, page), g.sub(code, g.mul(page, _scalar(characters.PAGE)))))
    shift = g.floor_div(entry, _scalar(4))
    kind = g.sub(entry, g.mul(shift, _scalar(4)))
    # Continuation bytes and combining marks take no place: what counts is moved to the front, in order.
    counts = g.mul(is_lead, g.gather(np.array([1, 1, 1, 0], np.int32), kind))
    rank, at = g.top_k(g.mul(counts, np.arange(n, 0, -1, dtype=np.int32)), size.max_characters)
    used = g.minimum(rank, _scalar(1))
    return g.gather(g.add(code, shift), at), g.mul(g.gather(kind, at), used)


def rows(g: Subgraph, found: Units, table: HashTable, size: TokenizerSize) -> tuple[int, int]:
    """Looks units up and falls back to trigrams.

    Returns:
        `(t,)` int32 rows of the embedding table, where row 0 is nothing, and `(t,)` float32 weights: 1 for a known unit or pair,
        1 / (trigrams of the word) for a trigram of an unknown word, 0 for an unused place. t = 2 * max_units + max_grams.
    """
    u, c = size.max_units, size.max_characters
    known = table.look_up(g, g.concat([found.hashes, found.pair_hashes]), g.concat([found.present, found.pair_present]))
    unit_rows = g.slice(known, (0,), (u,))
    unknown = g.mul(found.is_word, g.sub(_scalar(1), g.minimum(unit_rows, _scalar(1))))
    gram_present = g.mul(found.gram_present, g.gather(unknown, found.gram_unit))
    rank, at = g.top_k(g.mul(gram_present, np.arange(c, 0, -1, dtype=np.int32)), size.max_grams)
    gram_used = g.minimum(rank, _scalar(1))
    gram_rows = g.mul(g.add(g.gather(found.gram_rows, at), _scalar(table.first_gram_row)), gram_used)
    per_word = g.cast(g.maximum(g.gather(found.lengths, g.gather(found.gram_unit, at)), _scalar(1)), np.float32)
    weights = [g.cast(g.minimum(known, _scalar(1)), np.float32), g.div(g.cast(gram_used, np.float32), per_word)]
    return g.concat([known, gram_rows]), g.concat(weights)


class HashTable:
    """Vocabulary as buckets of full hashes, so that a look-up is exact.

    Row 0 of the embedding table means "nothing", rows 1 to n the vocabulary in the order given, and the trigrams' rows follow.

    Raises:
        EncoderError: Two entries have the same hash.
    """

    def __init__(self, hashes: np.ndarray) -> None:
        if len(np.unique(hashes)) != len(hashes):
            raise EncoderError("two vocabulary entries share a hash: drop one of them")
        self.first_gram_row = len(hashes) + 1
        buckets = max(1, len(hashes) // WAYS) | 1
        while np.bincount(hashes % buckets, minlength=buckets).max(initial=0) > WAYS:
            buckets = (buckets * 17 // 16 + 1) | 1
        self.buckets = buckets
        self.hashes = np.zeros((buckets, WAYS), np.int32)
        self.rows = np.zeros((buckets, WAYS), np.int32)
        used = np.zeros(buckets, np.int32)
        for row, value in enumerate(hashes.tolist(), start=1):
            bucket = value % buckets
            self.hashes[bucket, used[bucket]], self.rows[bucket, used[bucket]] = value, row
            used[bucket] += 1

    def look_up(self, g: Subgraph, hashes: int, present: int) -> int:
        """The rows of `(n,)` int32 hashes, 0 where unknown or not present."""
        (n,) = g.shape(hashes)
        bucket = g.floor_mod(hashes, _scalar(self.buckets))
        same = g.cast(g.equal(g.gather(self.hashes, bucket), g.reshape(hashes, (n, 1))), np.int32)
        return g.mul(g.reduce_max(g.mul(same, g.gather(self.rows, bucket)), axis=1), present)
