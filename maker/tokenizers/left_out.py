"""Classes of texts for which a graph's ids may differ from the library's, each with its name; docs/tokenizers.md explains them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

TIE = 1e-3  # difference of two sums of log probabilities that 32-bit arithmetic does not tell apart


@dataclass(frozen=True)
class LeftOut:
    """A class of texts.

    Attributes:
        name: What it is called.
        holds: Whether a text with the library's ids and the graph's is one of it.
    """

    name: str
    holds: Callable[[str, list[int], list[int]], bool]


def special_tokens(contents: Sequence[str]) -> LeftOut:
    """Special tokens that are typed in a query: to a graph they are text."""
    return LeftOut("special tokens in a text", lambda text, wanted, found: any(content in text for content in contents))


def space_letter(letter: str) -> LeftOut:
    """The letter that stands for a space, typed in a query."""
    return LeftOut(f"{letter} in a text", lambda text, wanted, found: letter in text)


def final_sigma() -> LeftOut:
    """Python's lower case of a capital sigma depends on whether a word ends with it."""
    return LeftOut("capital sigma", lambda text, wanted, found: "\u03a3" in text)


def marks_behind(removed: str) -> LeftOut:
    """Marks behind characters that are removed first: the library then puts them on the letter before."""

    def holds(text: str, wanted: list[int], found: list[int]) -> bool:
        return any(a in removed and unicodedata.category(b)[0] == "M" for a, b in pairwise(text))

    return LeftOut("marks behind removed characters", holds)


def young_characters() -> LeftOut:
    """How characters act on their neighbours is Python's Unicode; a library may have a younger or an older one."""
    return LeftOut(
        "characters younger than Python's Unicode", lambda text, wanted, found: any(unicodedata.category(c) == "Cn" for c in text)
    )


def clusters() -> LeftOut:
    """Hugging Face's `Precompiled` looks at user-perceived characters as a whole, and at the first rule that one starts with."""

    def holds(text: str, wanted: list[int], found: list[int]) -> bool:
        return any(unicodedata.category(c)[0] == "M" or unicodedata.category(c) == "Cf" or 0x1100 <= ord(c) < 0x1200 for c in text) or any(
            0xFF65 <= ord(c) <= 0xFFDC or 0x3130 <= ord(c) <= 0x318F or 0x1F1E6 <= ord(c) <= 0x1F3FF for c in text
        )

    return LeftOut("characters of several code points", holds)


def ties(scores: Mapping[int, float], unknown: float) -> LeftOut:
    """Segmentations whose scores are the same but for rounding."""

    def holds(text: str, wanted: list[int], found: list[int]) -> bool:
        first, second = (sum(scores.get(number, unknown) for number in ids) for ids in (wanted, found))
        return abs(first - second) < TIE * max(1.0, abs(first))

    return LeftOut("ties between segmentations", holds)


def long_texts(normalise: Callable[[str], str], max_bytes: int) -> LeftOut:
    """Texts that normalisation makes longer than the bytes that are read."""
    return LeftOut("texts that normalisation makes too long", lambda text, wanted, found: len(normalise(text).encode()) > max_bytes)
