"""Character classes and folding, as tables from which the graph gathers.

Folding converts to lower case, maps full-width forms to plain ones (Unicode NFKC) and removes the accents of Latin and Greek letters, so
that "Café", "café" and "ＣＡＦＥ" are the same word.
"""

from __future__ import annotations

import unicodedata

import numpy as np

SEPARATOR, WORD, CJK, IGNORED = range(4)
PAGE = 256  # code points on one page of the two-level table
LAST_CODE_POINT = 0x10FFFF
# Scripts without spaces: their characters and pairs of characters are tokens. Hangul too, because it attaches particles to words.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul Jamo
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3100, 0x31FF),  # Bopomofo, Hangul compatibility, Katakana extensions
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),  # Hangul syllables
    (0xF900, 0xFAFF),
    (0x1F000, 0x1FAFF),  # emoji: a token each
    (0x20000, 0x323AF),
)
LATIN_AND_GREEK = 0x400  # code points below it
WRITTEN_MARKS = (0, 9)  # combining classes of marks that count as letters: vowel signs of Indic scripts, viramas
FOLDED_BELOW = 0x10000  # only the basic plane is folded, which keeps the table small


def classify(code_point: int) -> tuple[int, int]:
    """The folded code point and the class of a character."""
    if 0xD800 <= code_point <= 0xDFFF:  # surrogates are not characters
        return code_point, SEPARATOR
    if code_point >= FOLDED_BELOW:
        return code_point, CJK if _unspaced(code_point) else WORD
    character = chr(code_point)
    if unicodedata.combining(character) not in WRITTEN_MARKS:
        return code_point, IGNORED
    folded = _fold(character)
    if _unspaced(folded):
        return folded, CJK
    if unicodedata.category(chr(folded))[0] in "LNM":
        return folded, WORD
    return folded, SEPARATOR


def _fold(character: str) -> int:
    """Lower case, plain width and, for Latin and Greek letters, no accents. Letters of other scripts keep their marks."""
    if 0x3040 <= ord(character) <= 0x30FF or 0xAC00 <= ord(character) <= 0xD7AF:  # kana and Hangul, where a mark changes the sound
        return ord(character)
    plain = unicodedata.normalize("NFKC", character).lower()
    base, *marks = list(unicodedata.normalize("NFD", plain))
    if ord(base) < LATIN_AND_GREEK and all(unicodedata.combining(mark) for mark in marks):
        return ord(base)
    return ord(plain) if len(plain) == 1 else ord(character)


def _unspaced(code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in UNSPACED)


def tables() -> tuple[np.ndarray, np.ndarray]:
    """The two-level table of all characters.

    Returns:
        `(pages,)` int32: the row of the second table at which each page starts. `(rows,)` int32: four times the difference that folds the
        code point, plus its class.
    """
    starts: list[int] = []
    rows: list[int] = []
    seen: dict[tuple[int, ...], int] = {}
    for page in range(0, LAST_CODE_POINT + 1, PAGE):
        entries = [classify(code_point) for code_point in range(page, page + PAGE)]
        content = tuple(4 * (folded - page - i) + kind for i, (folded, kind) in enumerate(entries))
        if content not in seen:
            seen[content] = len(rows)
            rows.extend(content)
        starts.append(seen[content])
    return np.array(starts, np.int32), np.array(rows, np.int32)


def lead_bytes() -> np.ndarray:
    """How to decode a UTF-8 character by its first byte (RFC 3629, section 3).

    Returns:
        `(256, 5)` int32 by first byte: a constant, the factors of the next three bytes, and whether the byte starts a character. The code
        point is the constant plus the sum of the factors times the bytes.
    """
    table = np.zeros((256, 5), np.int32)
    for byte in range(256):
        if byte < 0x80:
            table[byte] = byte, 0, 0, 0, 1
        elif 0xC2 <= byte < 0xE0:
            table[byte] = (byte - 0xC0) * 64 - 0x80, 1, 0, 0, 1
        elif 0xE0 <= byte < 0xF0:
            table[byte] = (byte - 0xE0) * 4096 - 0x80 * 65, 64, 1, 0, 1
        elif 0xF0 <= byte < 0xF5:
            table[byte] = (byte - 0xF0) * 262144 - 0x80 * 4161, 4096, 64, 1, 1
    return table
