"""Which words a text tower knows, and captions as rows of its embedding table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.encoders.tokenize import Tokens
from maker.encoders.tokenizer import TokenizerSize
from maker.errors import TrainingError

MIN_CHARACTER_PAIRS = 3


@dataclass(frozen=True)
class Vocabulary:
    """Known units and pairs.

    Attributes:
        hashes: `(v,)` int32; entry i is row i + 1 of the embedding table.
        size: The tokenizer's.
    """

    hashes: np.ndarray
    size: TokenizerSize

    @property
    def table_rows(self) -> int:
        """Rows of the embedding table: nothing, the known, the trigrams."""
        return 1 + len(self.hashes) + self.size.gram_rows

    def look_up(self, hashes: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Rows of int32 hashes, 0 where unknown or not present."""
        order = np.argsort(self.hashes)
        at = np.minimum(np.searchsorted(self.hashes, hashes, sorter=order), len(order) - 1)
        found = order[at]
        return np.where((self.hashes[found] == hashes) & (present > 0), found + 1, 0).astype(np.int32)


def build_vocabulary(tokens: Tokens, min_count: int, word_pairs: int, size: TokenizerSize) -> Vocabulary:
    """Takes the units seen at least `min_count` times, and pairs.

    Args:
        tokens: The training captions.
        min_count: For words and characters.
        word_pairs: For pairs of words; 0 for none. Pairs of characters written without spaces are taken when seen three times.
        size: The tokenizer's.

    Raises:
        TrainingError: No word is seen often enough.
    """
    known = _frequent(tokens.hashes[tokens.present > 0], min_count)
    single = (tokens.present > 0) & (tokens.is_word == 0)
    of_characters = single & np.roll(single, 1, axis=1) & (tokens.pair_present > 0)
    pairs = _frequent(tokens.pair_hashes[of_characters], max(min_count, MIN_CHARACTER_PAIRS))
    if word_pairs:
        of_words = (tokens.pair_present > 0) & ~of_characters
        pairs = np.concatenate([pairs, _frequent(tokens.pair_hashes[of_words], word_pairs)])
    if not len(known):
        raise TrainingError(f"no word is seen {min_count} times in the training captions; there are too few captions to learn from")
    return Vocabulary(np.unique(np.concatenate([known, pairs])).astype(np.int32), size)


def _frequent(hashes: np.ndarray, min_count: int) -> np.ndarray:
    values, counts = np.unique(hashes, return_counts=True)
    return values[counts >= min_count]


@dataclass(frozen=True)
class Rows:
    """Captions as rows of the embedding table: `(n, t)` int32 rows, 0 for none, and `(n, t)` float32 weights."""

    rows: np.ndarray
    weights: np.ndarray


class CaptionRows:
    """Captions looked up in a vocabulary, with words to be replaced by their trigrams at will."""

    def __init__(self, tokens: Tokens, vocabulary: Vocabulary) -> None:
        self._tokens = tokens
        self._vocabulary = vocabulary
        used = max(1, int(tokens.present.sum(1).max(initial=0)))
        self._units = vocabulary.look_up(tokens.hashes, tokens.present)[:, :used]
        pairs = vocabulary.look_up(tokens.pair_hashes, tokens.pair_present)
        columns = max(1, int((pairs > 0).sum(1).max(initial=0)))
        self._pair_at = np.argsort(pairs == 0, axis=1, kind="stable")[:, :columns]
        self._pairs = np.take_along_axis(pairs, self._pair_at, axis=1)
        self._is_word = tokens.is_word[:, :used] > 0

    def rows(self, forget: np.ndarray | None = None) -> Rows:
        """What the tower sees.

        Args:
            forget: `(n, units)` bool: known words to treat as unknown. None for none.

        Returns:
            Rows as the exported tokenizer makes them, but for their order and unused places.
        """
        tokens, limit = self._tokens, self._vocabulary.size.max_grams
        units, pairs = self._units, self._pairs
        if forget is not None:
            forgotten = forget[:, : units.shape[1]] & self._is_word
            units = np.where(forgotten, 0, units)
            lost = np.pad(forgotten, ((0, 0), (1, tokens.present.shape[1] - units.shape[1])))
            lost = lost[:, 1:] | lost[:, :-1]
            pairs = np.where(np.take_along_axis(lost, self._pair_at, axis=1), 0, pairs)
        unknown = self._is_word & (units == 0)
        unknown = np.pad(unknown, ((0, 0), (0, tokens.present.shape[1] - unknown.shape[1])))
        active = np.take_along_axis(unknown, tokens.gram_unit, axis=1) & (tokens.gram_present > 0)
        columns = min(limit, max(1, int(active.sum(1).max(initial=0))))
        at = np.argsort(~active, axis=1, kind="stable")[:, :columns]
        used = np.take_along_axis(active, at, axis=1)
        first = 1 + len(self._vocabulary.hashes)
        grams = np.where(used, np.take_along_axis(tokens.gram_rows, at, axis=1) + first, 0)
        lengths = np.take_along_axis(tokens.lengths, np.take_along_axis(tokens.gram_unit, at, axis=1), axis=1)
        weights = [units > 0, pairs > 0, used / np.maximum(lengths, 1)]
        return Rows(np.concatenate([units, pairs, grams], 1).astype(np.int32), np.concatenate(weights, 1).astype(np.float32))

    def gram_rows(self) -> np.ndarray:
        """The trigrams' rows of all words, known or not: `(n, t)` int32, 0 for none."""
        rows = self.rows(np.ones(self._tokens.present.shape, bool)).rows
        return np.where(rows > len(self._vocabulary.hashes), rows, 0)

    def random_rows(self, share: float, rng: np.random.Generator) -> Rows:
        """`rows` with a random share of the known words forgotten."""
        return self.rows(rng.random(self._tokens.present.shape) < share if share else None)
