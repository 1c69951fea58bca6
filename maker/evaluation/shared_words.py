"""Which pictures a caption is about, judged by the words of the captions that people wrote for them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from maker.data.captions import Caption
from maker.encoders.spellings import units

ENOUGH, MOST = 20, 5000  # captions with a second one of their picture: least and most that `typical` is learnt from


class SharedWords:
    """Judges pictures by shared words; it never looks at an embedding.

    A caption names only its own picture, while others may fit it as well. One whose captions share as large a part of the words as two
    captions of one picture share (the median of `share`) is taken to fit. Words count by their rarity, `log(pictures / pictures with the
    word)`, the inverse document frequency of Spärck Jones (1972).

    Attributes:
        images: The pictures, in the order of their numbers.
        typical: Part of its words that a caption shares with the others of its picture, the median; None where too few have others.
    """

    def __init__(self, captions: Sequence[Caption]) -> None:
        """Counts the words.

        Args:
            captions: All captions of the pictures, in any languages.
        """
        self.images = sorted({c.image for c in captions})
        self._number = {image: number for number, image in enumerate(self.images)}
        self._counts: list[Counter[str]] = [Counter() for _ in self.images]  # captions of a picture that have a word
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
        """The number of a picture."""
        return self._number[image]

    def has_siblings(self, caption: Caption) -> bool:
        """Whether its picture has another caption in its language."""
        return self._siblings[caption.image, caption.language] > 1

    def fits(self, caption: Caption, images: np.ndarray) -> np.ndarray:
        """Whether a caption is about each of some pictures: its own, and those that share as many of its words as is typical.

        Args:
            caption: The caption.
            images: `(n,)` numbers of pictures.
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

        That is the rarest of its words that another caption of the picture has, too: a thing that two people saw.

        Returns:
            `(n,)` bool by number; None where no word is shared, or all pictures have it.
        """
        counts = self._counts[self._number[caption.image]]
        weights = {word: w for word, w in self._weights(caption.text).items() if w > 0 and counts[word] > 1}
        if not weights:
            return None
        left = np.ones(len(self.images), bool)
        left[self._mentioned[max(weights, key=lambda word: (weights[word], word))]] = False
        return left

    def _share_with_siblings(self, caption: Caption) -> float:
        counts, weights = self._counts[self._number[caption.image]], self._weights(caption.text)
        return sum(w for word, w in weights.items() if counts[word] > 1) / max(sum(weights.values()), 1e-9)

    def _weights(self, text: str) -> dict[str, float]:
        """Each word's weight; words of no picture have none."""
        found = {word: self._mentioned[word] for word in words_of(text) if word in self._mentioned}
        return {word: float(np.log(len(self.images) / len(numbers))) for word, numbers in found.items()}


@lru_cache(maxsize=1 << 16)
def _folded(piece: str) -> tuple[str, ...]:
    return tuple(folded for folded, _ in units(piece))


def words_of(text: str) -> frozenset[str]:
    """The words of a text, as the tokenizer folds and cuts them."""
    return frozenset(word for piece in text.split() for word in _folded(piece))
