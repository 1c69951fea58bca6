"""The words of a text, as the lexical index counts them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

RUN = re.compile(r"[^\W_]+")
# Scripts that are written without spaces between words: Thai to Khmer, kana, Han (Unicode blocks).
UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case and without accents.

    A word is a run of letters and digits. A run in a script that is written without spaces gives its pairs of neighbouring characters.
    """
    if text.isascii():  # as most are; the rest would change nothing
        return RUN.findall(text.lower())
    decomposed = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
    found: list[str] = []
    for run in RUN.findall(plain):
        at = 0
        for match in UNSPACED.finditer(run):
            found += [run[at : match.start()]] if match.start() > at else []
            found += _pairs(match.group())
            at = match.end()
        found += [run[at:]] if at < len(run) else []
    return found


def _pairs(text: str) -> list[str]:
    return [text] if len(text) == 1 else [text[i : i + 2] for i in range(len(text) - 1)]


def term(word: str) -> int:
    """The number of a word in the index: FNV-1a of 32 bits over its UTF-8 bytes (Fowler, Noll, Vo)."""
    value = 0x811C9DC5
    for byte in word.encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def texts_of(metadata: bytes, facts: Iterable[object], captions: Iterable[str] = ()) -> list[str]:
    """The texts of an item that are indexed: its metadata, the texts and tags among its facts, and its captions."""
    found = [metadata.decode("utf-8", "replace"), *captions]
    for value in facts:
        found += [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return found


def terms(texts: Iterable[str]) -> np.ndarray:
    """The numbers of the words of an item, `(w,)` uint32, ascending, from its texts."""
    return np.unique(np.array([term(word) for text in texts for word in words(text)], np.uint32))
