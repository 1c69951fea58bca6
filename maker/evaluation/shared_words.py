"""Decides which pictures a caption fits, by the words of the pictures' own captions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from maker.data.captions import Caption
from maker.encoders.spellings import units

ENOUGH, MOST = 20, 5000  # minimum and maximum number of captions that `typical` is computed from


class SharedWords:
    """Decides by shared words whether a caption fits a picture, without any embedding.

    The data names only one picture for a caption, but the caption may fit others too. A picture counts as fitting if its captions share as
    many of the caption's words as captions of one picture typically share. Words are weighted by their rarity,
    `log(pictures / pictures with the word)`, the inverse document frequency of Spärck Jones (1972).

    Attributes:
        images: The pictures; the index in this list is a picture's number.
        typical: Share of its words that a caption has in common with the other captions of its picture, the median; None if too few
            captions have others.
    """

    def __init__(self, captions: Sequence[Caption]) -> None:
        """Counts the words.

        Args:
            captions: All captions of the pictures, in any languages.
        """
        self.images = sorted({c.image for c in captions})
        self._number = {image: number for number, image in enumerate(self.images)}
        self._counts: list[Counter[str]] = [Counter() for _ in self.images]  # captions of a picture by word
        mentioned: defaultdict[str, set[int]] = defaultdict(set)
        siblings: Counter[tuple[str, str]] = Counter()
        for caption in captions:
            number, words = self._number[caption.image], words_of(caption.text)
            self._counts[number].update(words)
            siblings[caption.image, caption.language] += 1
            for word in words:
                mentioned[word].add(number)
        self._mentioned = {word: np.fromiter(sorted(numbers), np.int64) for word, numbers in mentioned.items()}
        self._siblings = siblings
        paired = [c for c in captions if self.has_siblings(c)]
        shares = [self._share_with_siblings(c) for c in paired[:: -(-len(paired) // MOST) or 1]]
        self.typical = float(np.median(shares)) if len(shares) >= ENOUGH else None

    def number(self, image: str) -> int:
        """The number of a picture; `KeyError` if it has no caption."""
        return self._number[image]

    def has_siblings(self, caption: Caption) -> bool:
        """Whether the caption's picture has another caption in the same language."""
        return self._siblings[caption.image, caption.language] > 1

    def fits(self, caption: Caption, images: np.ndarray) -> np.ndarray:
        """Whether a caption fits pictures: its own, and those whose captions share at least `typical` of its words.

        Args:
            caption: The caption.
            images: `(n,)` int: numbers of pictures.

        Returns:
            `(n,)` bool.
        """
        own = images == self._number[caption.image]
        if self.typical is None:
            return own
        weights = self._weights(caption.text)
        total = max(sum(weights.values()), 1e-9)
        shares = [sum(w for word, w in weights.items() if word in self._counts[i]) / total for i in images.tolist()]
        return own | (np.array(shares) >= self.typical)

    def without_its_thing(self, caption: Caption) -> np.ndarray | None:
        """The pictures whose captions do not mention the thing that a caption is about.

        The thing is the rarest word that another caption of the picture contains too, so that two people saw it.

        Returns:
            `(n,)` bool by number; None if the captions share no word, or only words that all pictures have.
        """
        counts = self._counts[self._number[caption.image]]
        weights = {word: w for word, w in self._weights(caption.text).items() if w > 0 and counts[word] > 1}
        if not weights:
            return None
        remaining = np.ones(len(self.images), bool)
        remaining[self._mentioned[max(weights, key=lambda word: (weights[word], word))]] = False
        return remaining

    def without_rarest(self, text: str) -> np.ndarray | None:
        """The pictures whose captions do not mention the rarest word of a text; `(n,)` bool, or None if no caption has one of its words."""
        weights = self._weights(text)
        if not weights:
            return None
        remaining = np.ones(len(self.images), bool)
        remaining[self._mentioned[max(weights, key=lambda word: (weights[word], word))]] = False
        return remaining

    def _share_with_siblings(self, caption: Caption) -> float:
        counts, weights = self._counts[self._number[caption.image]], self._weights(caption.text)
        return sum(w for word, w in weights.items() if counts[word] > 1) / max(sum(weights.values()), 1e-9)

    def _weights(self, text: str) -> dict[str, float]:
        """The weight of each word; words that no caption contains are left out."""
        images = {word: self._mentioned[word] for word in words_of(text) if word in self._mentioned}
        return {word: float(np.log(len(self.images) / len(numbers))) for word, numbers in images.items()}


@lru_cache(maxsize=1 << 16)
def _folded(piece: str) -> tuple[str, ...]:
    return tuple(folded for folded, _ in units(piece))


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as the tokenizer folds and splits them."""
    return frozenset(word for piece in text.split() for word in _folded(piece))
