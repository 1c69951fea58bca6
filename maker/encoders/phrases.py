"""Phrases of one to a few words that stand in several captions, and the pictures that they describe."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from maker.encoders.characters import CJK, SEPARATOR, classify
from maker.encoders.spellings import placed_units

LEAST = 8  # captions that hold a phrase
MOST = 0.5  # share of the captions that hold a phrase
NONE = -1  # stands for punctuation, which no phrase crosses, and for what is too rare


@dataclass(frozen=True)
class Phrases:
    """Phrases, and how many captions of each picture hold them.

    Attributes:
        texts: The phrases as most captions write their words, in lower case.
        words: `(p, longest)` int64: the words of each phrase as numbers, -1 behind the last. A character of a script without spaces is a
            word. The phrases of one word come first, then those of two, and so on.
        captions: `(p,)` int64: the number of captions that hold each phrase.
        endings: `(p,)` float64 in [0, 1]: how often the phrase stands at the end of a caption or before punctuation. Words that only lead
            to others, such as articles, never do.
        starts: `(p + 1,)` int64: the pictures of phrase i are `pictures[starts[i] : starts[i + 1]]`.
        pictures: `(m,)` int64: numbers of pictures, ascending within a phrase.
        counts: `(m,)` int64: how many captions of that picture hold the phrase.
    """

    texts: list[str]
    words: np.ndarray
    captions: np.ndarray
    endings: np.ndarray
    starts: np.ndarray
    pictures: np.ndarray
    counts: np.ndarray

    def pictures_of(self, phrase: int) -> np.ndarray:
        """The pictures that have a caption with the phrase, ascending."""
        return self.pictures[self.starts[phrase] : self.starts[phrase + 1]]

    def of_pictures(self, pictures: int) -> list[np.ndarray]:
        """The phrases of the pictures with the numbers below `pictures`, ascending: their labels."""
        phrases = np.repeat(np.arange(len(self.texts)), np.diff(self.starts))
        order = np.argsort(self.pictures, kind="stable")
        return np.split(phrases[order], np.searchsorted(self.pictures[order], np.arange(1, pictures)))


def mine_phrases(texts: Sequence[str], pictures: np.ndarray, longest: int = 2, least: int = LEAST, most: float = MOST) -> Phrases:
    """Finds the phrases that stand in at least `least` captions, and in at most the share `most` of them.

    Words are those of the `words` tokenizer, so it takes any language. The words of a phrase are neighbours in the caption, with at most
    one separator between them.

    Args:
        texts: The captions.
        pictures: `(len(texts),)` int: the picture that each caption describes.
        longest: Maximum number of words of a phrase.
        least: Minimum number of captions.
        most: Maximum share of the captions.
    """
    numbers, lengths, written = _numbered(texts)
    caption = np.repeat(np.arange(len(texts)), lengths)
    ends = np.append((numbers[1:] == NONE) | (caption[1:] != caption[:-1]), True)
    words: list[np.ndarray] = []
    held: list[np.ndarray] = []
    endings: list[np.ndarray] = []
    of_pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    begins = np.zeros(len(numbers), np.int64)  # by place: which frequent phrase of one word less begins there
    for size in range(1, longest + 1):
        last = numbers[size - 1 :]
        begins = begins[: len(last)]
        at = np.flatnonzero((begins != NONE) & (last != NONE) & (caption[: len(last)] == caption[size - 1 :]))
        _, first, phrase = np.unique(begins[at] * len(written) + last[at], return_index=True, return_inverse=True)
        phrases, holders, _ = _distinct(phrase, caption[at], len(texts))
        count = np.bincount(phrases, minlength=len(first))
        # A phrase is at most as frequent as its parts, so that only frequent ones grow.
        begins = np.full(len(last), NONE)
        begins[at] = np.where(count >= least, np.arange(len(count)), NONE)[phrase]
        kept = (count >= least) & (count <= most * len(texts))
        of_kept = kept[phrases]
        place = np.cumsum(kept) - 1 + sum(map(len, held))
        of_pictures.append(_distinct(place[phrases[of_kept]], np.asarray(pictures)[holders[of_kept]], int(np.max(pictures, initial=0)) + 1))
        columns = [numbers[at[first[kept]] + column] if column < size else np.full(kept.sum(), NONE) for column in range(longest)]
        words.append(np.stack(columns, axis=1))
        held.append(count[kept])
        times = np.bincount(phrase, minlength=len(first))
        endings.append(np.bincount(phrase, ends[at + size - 1], len(first))[kept] / times[kept])
    phrase, picture, counts = (np.concatenate(part) for part in zip(*of_pictures, strict=True))
    table = np.concatenate(words)
    starts = np.searchsorted(phrase, np.arange(len(table) + 1))
    texts = [_joined(row, written) for row in table.tolist()]
    return Phrases(texts, table, np.concatenate(held), np.concatenate(endings), starts, picture, counts)


def _distinct(first: np.ndarray, second: np.ndarray, many: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different pairs of numbers, ascending, and how often each occurs; those of `second` are below `many`."""
    values, counts = np.unique(first * many + second, return_counts=True)
    return values // many, values % many, counts


def _numbered(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The words of all captions in one row, as numbers; the length of each caption in it; and how each word is mostly written."""
    numbers: defaultdict[str, int] = defaultdict(lambda: len(numbers))
    spelt: defaultdict[int, Counter[str]] = defaultdict(Counter)
    of_piece: dict[str, list[int]] = {}
    for piece, times in Counter(chain.from_iterable(text.split() for text in texts)).items():
        found: list[int] = []
        end, unspaced = 0, False
        for folded, written, place in placed_units(piece):
            separators = place - len(folded) - end
            before, unspaced = unspaced, is_unspaced(folded)
            # The space before a piece is a separator too. Scripts without spaces have none within a phrase.
            if separators > (1 if found and not before and not unspaced else 0):
                found.append(NONE)
            found.append(numbers[folded])
            spelt[numbers[folded]][written.lower()] += times
            end = place
        if classify(ord(piece[-1]))[1] == SEPARATOR:
            found.append(NONE)
        of_piece[piece] = found
    rows = [[number for piece in text.split() for number in of_piece[piece]] for text in texts]
    lengths = np.array([len(row) for row in rows], np.int64)
    row = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
    return row, lengths, [spelt[number].most_common(1)[0][0] for number in range(len(numbers))]


def is_unspaced(word: str) -> bool:
    """Whether a word is a character of a script without spaces."""
    return len(word) == 1 and classify(ord(word))[1] == CJK


def _joined(numbers: list[int], written: list[str]) -> str:
    """The words as text, with spaces between those of scripts that use them."""
    text, unspaced = "", True
    for word in [written[number] for number in numbers if number != NONE]:
        before, unspaced = unspaced, is_unspaced(word)
        text += word if before and unspaced or not text else f" {word}"
    return text
