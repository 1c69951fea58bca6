"""How the words of a vocabulary, which the tower knows by their hashes only, are written."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import numpy as np

from maker.encoders.characters import CJK, IGNORED, WORD, classify
from maker.encoders.tokenizer import PAIR_FACTOR, PRIME

# An encoder's associated file: lines of a spelling, a space and its row in the embedding table. A pair is spelt as two words.
FILE = "words.txt"
PAIR = " "
MOST_SPELLINGS = 4  # of a word, most frequent first

_classify = lru_cache(maxsize=None)(classify)


def units(text: str) -> Iterator[tuple[str, str]]:
    """The units of a text, as the tokenizer's graph finds them: folded, and as they are written (NFC)."""
    for folded, written, _ in placed_units(text):
        yield folded, written


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Neighbouring units, folded, with nothing or one separator between them: what the tokenizer's graph takes for pairs."""
    before, before_ends = "", 0
    for folded, _, end in placed_units(text):
        if before and end - len(folded) - before_ends <= 1:
            yield before, folded
        before, before_ends = folded, end


def placed_units(text: str) -> Iterator[tuple[str, str, int]]:
    """Units as `units` gives them, with the place behind their last character; combining marks take no place."""
    folded = written = ""
    place = 0
    for character in text:
        to, kind = _classify(ord(character))
        if kind == IGNORED:
            written += character if folded else ""
            continue
        if kind == WORD:
            folded, written = folded + chr(to), written + character
        else:
            if folded:
                yield folded, unicodedata.normalize("NFC", written), place
            folded = written = ""
            if kind == CJK:
                yield chr(to), character, place + 1
        place += 1
    if folded:
        yield folded, unicodedata.normalize("NFC", written), place


def polynomial(folded: str) -> int:
    """The hash that the tokenizer's graph gives a folded unit: int32, wrapping."""
    value, power = 0, 1
    for character in folded:
        value += (ord(character) + 1) * power
        power = power * PRIME & 0xFFFFFFFF
    return _int32(value)


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def spellings(texts: Iterable[str], hashes: np.ndarray) -> dict[str, int]:
    """The spellings, in lower case, of the known words.

    Args:
        texts: The training captions.
        hashes: The vocabulary; entry i is row i + 1 of the embedding table.

    Returns:
        Row by spelling: each word folded, and as the captions spell it otherwise; then pairs of words, folded, with `PAIR` between.
    """
    texts = list(texts)
    row_of = {value: row for row, value in enumerate(hashes.tolist(), start=1)}
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for piece, count in Counter(piece for text in texts for piece in text.split()).items():
        for folded, written in units(piece):
            seen[folded][written.lower()] += count
    found: dict[str, int] = {}
    for folded in sorted(seen):
        row = row_of.get(polynomial(folded))
        if row is not None:
            found[folded] = row
            found.update({written: row for written, _ in seen[folded].most_common(MOST_SPELLINGS)})
    if len(set(found.values())) < len(row_of):
        hash_of = {folded: polynomial(folded) for folded in seen}
        for first, second in sorted({pair for text in set(texts) for pair in pairs(text)}):
            row = row_of.get(_int32(hash_of[first] * PAIR_FACTOR + hash_of[second]))
            if row is not None:
                found[first + PAIR + second] = row
    return found


def encode(words: Mapping[str, int]) -> bytes:
    """The file's content."""
    return "".join(f"{word} {row}\n" for word, row in words.items()).encode()


def decode(content: bytes) -> dict[str, int]:
    """Reads the file's content.

    Raises:
        ValueError: A line is not a spelling and a row.
    """
    found = {}
    for line in content.decode().removesuffix("\n").split("\n"):
        word, row = line.rsplit(" ", 1)
        found[word] = int(row)
    return found
