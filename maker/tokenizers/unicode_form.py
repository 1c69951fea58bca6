"""Unicode normalisation forms (UAX 15) in the graph, for texts whose characters act on their neighbours.

Most texts are in order as they are: what a form makes of a character by itself is in the table of code points. Only where a text has a mark
that may have to be sorted, or a character that may join the one before it, does the long way run: decompose, sort, compose.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.code_points import CODE_POINTS, SURROGATES, CodePointTable, Places
from maker.tokenizers.hashed import Pairs
from maker.tokenizers.spread import spread
from maker.tokenizers.utf8 import decode, encode
from maker.tokenizers.values import ONE, ZERO, as_flag, int32, to_front, to_places

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")
# Hangul syllables are computed (Unicode, section 3.12).
LEADING, VOWEL, TRAILING, SYLLABLE = 0x1100, 0x1161, 0x11A7, 0xAC00
LEADINGS, VOWELS, TRAILINGS = 19, 21, 28
SYLLABLES = range(SYLLABLE, SYLLABLE + LEADINGS * VOWELS * TRAILINGS)
FIRST_MARK, FIRST_CLASS = "\u0334", 1  # a tilde over a letter, and its combining class
OWN = 1  # an entry of the decomposition of what stays itself: a length of 1, no place in the pool
LENGTHS = 64


def compositions() -> dict[tuple[int, int], int]:
    """Pairs of code points that NFC joins, Hangul syllables excepted."""
    pairs = {}
    for code in range(CODE_POINTS):
        if code in SURROGATES or code in SYLLABLES:
            continue
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<") and unicodedata.normalize("NFC", chr(code)) == chr(code):
            pairs[int(parts[0], 16), int(parts[1], 16)] = code
    return pairs


class UnicodeForm:
    """One of the four forms."""

    def __init__(self, form: Form, reference: Callable[[str], str] | None = None) -> None:
        """Takes the form, and a library's function for it, which says what marks it knows; Python's where None."""
        reference = reference or (lambda text: unicodedata.normalize(form, text))
        # A mark of class 1 goes before any mark of a higher class; one that lets it stay is a letter to the library.
        marks = {code: unicodedata.combining(chr(code)) for code in range(CODE_POINTS) if unicodedata.combining(chr(code))}
        self._ranks = {c: rank for c, rank in marks.items() if rank == FIRST_CLASS or reference(chr(c) + FIRST_MARK) != chr(c) + FIRST_MARK}
        self._form, self._composes = form, form in ("NFC", "NFKC")
        self._decomposed: Form = "NFD" if form in ("NFC", "NFD") else "NFKD"
        pairs = compositions()
        joined = {second for _, second in pairs} | set(range(VOWEL, VOWEL + VOWELS)) | set(range(TRAILING + 1, TRAILING + TRAILINGS))
        acts = np.zeros(CODE_POINTS, np.int32)
        for code in range(CODE_POINTS):
            if code not in SURROGATES:
                first = unicodedata.normalize(self._decomposed, chr(code))[0] if code else "\0"
                acts[code] = ord(first) in self._ranks or (self._composes and ord(first) in joined)
        self._acts = CodePointTable(acts)
        self._pairs = pairs

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        tables = [self._acts.nbytes, self._classes.nbytes, self._decomposition[0].nbytes, self._decomposition[1].nbytes]
        return sum(tables) + (sum(part.nbytes for part in self._joins) if self._composes else 0)

    def needed(self, g: Subgraph, places: Places, real: int) -> int:
        """Whether a text has a character that may act on its neighbours, a bool scalar."""
        return g.greater(g.reduce_max(g.mul(self._acts.look_up(g, places), real), 0), ZERO)

    def apply(self, g: Subgraph, byte: int) -> int:
        """Bytes `[n]` int32 in the form; cut to n."""
        (n,) = g.shape(byte)
        most = n + n // 2
        code, real = decode(g, byte)
        (code,) = to_front(g, [code], real, n)
        code = self._decompose(g, code, most)
        rank = self._classes.look_up(g, Places(g, code))
        code, rank = _sort(g, code, rank)
        if self._composes:
            code = self._compose(g, code, rank)
        return encode(g, code, n)

    @cached_property
    def _classes(self) -> CodePointTable:
        return CodePointTable(self._ranks)

    @cached_property
    def _decomposition(self) -> tuple[CodePointTable, np.ndarray]:
        """Lengths and places in a pool of code points."""
        entries, pool, offsets = np.full(CODE_POINTS, OWN, np.int32), [0], dict[str, int]()
        entries[0] = 0
        for code in range(1, CODE_POINTS):
            if code in SURROGATES or (code in SYLLABLES and self._composes):
                continue
            text = unicodedata.normalize(self._decomposed, chr(code))
            if text != chr(code):
                if text not in offsets:
                    offsets[text] = len(pool)
                    pool.extend(map(ord, text))
                entries[code] = len(text) + LENGTHS * offsets[text]
        return CodePointTable(entries), np.array(pool, np.int32)

    def _decompose(self, g: Subgraph, code: int, size: int) -> int:
        (n,) = g.shape(code)
        table, pool = self._decomposition
        entry = table.look_up(g, Places(g, code))
        source, number, there = spread(g, g.floor_mod(entry, int32(LENGTHS)), size)
        offset = g.gather(g.floor_div(entry, int32(LENGTHS)), source)
        pooled = g.gather(pool, g.minimum(g.add(offset, number), int32(len(pool) - 1)))
        return g.mul(g.select(g.greater(offset, ZERO), pooled, g.gather(code, source)), there)

    @cached_property
    def _joins(self) -> tuple[Pairs, np.ndarray]:
        """Pairs of code points and their composites."""
        first, second = (np.array(codes) for codes in zip(*self._pairs, strict=True))
        pairs = Pairs(first, second)
        return pairs, pairs.table(np.array(list(self._pairs.values())), 0)

    def _joined(self, g: Subgraph, first: int, second: int) -> int:
        """The composites of pairs of code points, 0 where there is none."""
        pairs, whole = self._joins
        slot, found = pairs.look_up(g, first, second)
        plain = g.select(found, g.gather(whole, slot), ZERO)
        vowel, trailing = g.sub(second, int32(VOWEL)), g.sub(second, int32(TRAILING))
        leading, syllable = g.sub(first, int32(LEADING)), g.sub(first, int32(SYLLABLE))
        two = g.add(g.mul(g.add(g.mul(leading, int32(VOWELS)), vowel), int32(TRAILINGS)), int32(SYLLABLE))
        plain = g.select(g.logical_and(_within(g, leading, 0, LEADINGS), _within(g, vowel, 0, VOWELS)), two, plain)
        open_ = g.logical_and(_within(g, syllable, 0, len(SYLLABLES)), g.equal(g.floor_mod(syllable, int32(TRAILINGS)), ZERO))
        return g.select(g.logical_and(open_, _within(g, trailing, 1, TRAILINGS)), g.add(first, trailing), plain)

    def _compose(self, g: Subgraph, code: int, rank: int) -> int:
        """Joins, a round at a time, the first mark of each starter that can be joined to it."""
        (m,) = g.shape(code)
        place_ = np.arange(m, dtype=np.int32)

        def candidates(g: Subgraph, code: int, rank: int) -> list[int]:
            starter = g.mul(as_flag(g, g.equal(rank, ZERO)), g.minimum(code, ONE))
            upto = g.cumsum(starter)
            mine = g.sub(upto, starter)  # the number, from 1 on, of the starter before
            at = to_places(g, upto, place_, starter, m + 1)
            own = g.gather(at, mine)
            # Not blocked: the starter stands next to it, or all marks between are of lower classes.
            near = g.logical_or(g.equal(g.sub(place_, ONE), own), g.less(g.shift(rank, 1), rank))
            whole = self._joined(g, g.gather(code, own), code)
            fits = g.logical_and(g.logical_and(near, g.greater(whole, ZERO)), g.greater(mine, ZERO))
            first = g.segment_min(g.select(fits, place_, int32(m)), mine, m + 1)
            return [as_flag(g, g.logical_and(fits, g.equal(g.gather(first, mine), place_))), whole, own]

        def more(g: Subgraph, v: list[int]) -> int:
            return g.greater(g.reduce_max(v[2], 0), ZERO)

        def body(g: Subgraph, v: list[int]) -> list[int]:
            code, rank, hit, whole, own = v
            put = to_places(g, own, whole, hit, m)
            code = g.select(g.greater(put, ZERO), put, code)
            stays = g.sub(g.minimum(code, ONE), hit)
            code, rank = to_front(g, [code, rank], stays, m)
            return [code, rank, *candidates(g, code, rank)]

        return g.loop("compose", [code, rank, *candidates(g, code, rank)], more, body, most=m)[0]


def _within(g: Subgraph, x: int, low: int, high: int) -> int:
    return g.logical_and(g.greater_equal(x, int32(low)), g.less(x, int32(high)))


def _sort(g: Subgraph, code: int, rank: int) -> tuple[int, int]:
    """Sorts each run of marks by their classes, stably: odd-even transposition, two steps a round."""
    (m,) = g.shape(code)
    even, odd = ((np.arange(m) + parity) % 2 == 0 for parity in (0, 1))

    def disordered(g: Subgraph, rank: int) -> int:
        following = g.shift(rank, -1)
        return g.logical_and(g.greater(rank, following), g.greater(following, ZERO))

    def body(g: Subgraph, v: list[int]) -> list[int]:
        for turn in (even, odd):
            swapped = as_flag(g, g.logical_and(disordered(g, v[1]), turn))
            here, there = g.greater(swapped, ZERO), g.greater(g.shift(swapped, 1), ZERO)
            v = [g.select(here, g.shift(x, -1), g.select(there, g.shift(x, 1), x)) for x in v]
        return v

    code, rank = g.loop("order", [code, rank], lambda g, v: g.reduce_any(disordered(g, v[1]), 0), body, most=m)
    return code, rank
