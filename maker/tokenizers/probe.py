"""What a reference library makes of every code point, asked of the library itself, so that the graph follows its Unicode version."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from maker.errors import EncoderError
from maker.tokenizers.code_points import CODE_POINTS, SURROGATES

SEPARATOR = "\u21a6"  # an arrow: no normalisation makes, changes or joins it
BLOCK = 1 << 14
DROPPED, JOINED, ALONE = range(3)


def characters() -> list[str]:
    """All that can be in a text; NUL cannot."""
    return [chr(code) for code in range(1, CODE_POINTS) if code not in SURROGATES]


def changed(normalise: Callable[[str], str]) -> dict[int, str]:
    """What code points become by themselves, of those that change; many are asked at once.

    Raises:
        EncoderError: The function changes the separator between two characters.
    """
    found: dict[int, str] = {}
    every = [c for c in characters() if c != SEPARATOR]
    for start in range(0, len(every), BLOCK):
        block = every[start : start + BLOCK]
        made = normalise(SEPARATOR + SEPARATOR.join(block) + SEPARATOR).split(SEPARATOR)[1:-1]
        if len(made) != len(block):
            raise EncoderError(f"normalising changes {SEPARATOR!r}, which stands between the characters that are asked about")
        found.update({ord(c): text for c, text in zip(block, made, strict=True) if text != c})
    return found


def kinds(split: Callable[[str], Iterable[str]]) -> np.ndarray:
    """How a splitter into words treats each character, `(0x110000,)` uint8: `DROPPED`, `JOINED` to letters, or `ALONE`.

    Args:
        split: A text's pieces in their order; what is dropped is in none.
    """
    found = np.full(CODE_POINTS, JOINED, np.uint8)
    every = characters()
    for start in range(0, len(every), BLOCK):
        block = every[start : start + BLOCK]
        text = "a" + "a".join(block) + "a"
        piece_of, at = np.full(len(text), -1), 0
        lengths = []
        for number, piece in enumerate(split(text)):
            at = text.index(piece, at)
            piece_of[at : at + len(piece)] = number
            lengths.append(len(piece))
            at += len(piece)
        own = piece_of[1::2]
        single = (own >= 0) & (np.array(lengths)[own] == 1)
        codes = np.array([ord(c) for c in block])
        found[codes[single]] = ALONE
        found[codes[own < 0]] = DROPPED
    found[list(SURROGATES)] = DROPPED
    found[0] = DROPPED
    found[ord("a")] = JOINED
    return found


def members(remove_others: Callable[[str], str]) -> np.ndarray:
    """The code points that a function leaves of a text of all, `(0x110000,)` bool."""
    found = np.zeros(CODE_POINTS, bool)
    found[[ord(c) for c in remove_others("".join(characters()))]] = True
    return found
