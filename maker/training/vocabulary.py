"""The vocabulary of a text tower, and captions as rows of its embedding table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.encoders.tokenize import Tokens
from maker.encoders.tokenizer import TokenizerSize
from maker.errors import TrainingError

MIN_CHARACTER_PAIR_COUNT = 3


@dataclass(frozen=True)
class Vocabulary:
    """The known units (words and characters) and pairs.

    Attributes:
        hashes: `(v,)` int32; entry i belongs to row i + 1 of the embedding table.
        size: Size of the tokenizer.
    """

    hashes: np.ndarray
    size: TokenizerSize

    @property
    def table_rows(self) -> int:
        """Number of rows of the embedding table: an unused one, the vocabulary, the trigrams."""
        return 1 + len(self.hashes) + self.size.gram_rows

    def look_up(self, hashes: np.ndarray, present: np.ndarray) -> np.ndarray:
        """The table rows of int32 hashes, int32; 0 for hashes that are unknown or not present."""
        order = np.argsort(self.hashes)
        at = np.minimum(np.searchsorted(self.hashes, hashes, sorter=order), len(order) - 1)
        candidate = order[at]
        return np.where((self.hashes[candidate] == hashes) & (present > 0), candidate + 1, 0).astype(np.int32)


def build_vocabulary(tokens: Tokens, min_count: int, word_pairs: int, size: TokenizerSize) -> Vocabulary:
    """Builds the vocabulary of frequent units and pairs.

    Pairs of characters of scripts without spaces have to occur at least three times.

    Args:
        tokens: The training captions.
        min_count: Minimum count of words and characters.
        word_pairs: Minimum count of pairs of words; 0 for no such pairs.
        size: Size of the tokenizer.

    Raises:
        TrainingError: No word is frequent enough.
    """
    known = _frequent(tokens.hashes[tokens.present > 0], min_count)
    is_character = (tokens.present > 0) & (tokens.is_word == 0)
    of_characters = is_character & np.roll(is_character, 1, axis=1) & (tokens.pair_present > 0)
    pairs = _frequent(tokens.pair_hashes[of_characters], max(min_count, MIN_CHARACTER_PAIR_COUNT))
    if word_pairs:
        of_words = (tokens.pair_present > 0) & ~of_characters
        pairs = np.concatenate([pairs, _frequent(tokens.pair_hashes[of_words], word_pairs)])
    if not len(known):
        raise TrainingError(f"no word occurs {min_count} times in the training captions; pass more captions, or a lower --min-count")
    return Vocabulary(np.unique(np.concatenate([known, pairs])).astype(np.int32), size)


def _frequent(hashes: np.ndarray, min_count: int) -> np.ndarray:
    values, counts = np.unique(hashes, return_counts=True)
    return values[counts >= min_count]


@dataclass(frozen=True)
class Rows:
    """Captions as rows of the embedding table: `(n, t)` int32 row numbers, 0 for none, and `(n, t)` float32 weights."""

    rows: np.ndarray
    weights: np.ndarray


class CaptionRows:
    """Captions looked up in a vocabulary; known words can be replaced by their trigrams (word dropout)."""

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

    def rows(self, dropped: np.ndarray | None = None, dropped_pairs: np.ndarray | None = None) -> Rows:
        """The rows and weights of all captions.

        Args:
            dropped: `(n, units)` bool: known words to treat as unknown. None for none.
            dropped_pairs: `(n, units)` bool: units whose pair with the next one to treat as unknown. None for none.

        Returns:
            The rows that the exported tokenizer makes, in another order and without unused columns.
        """
        units, pairs = self._units, self._pairs
        if dropped is not None:
            units, pairs = self._without(dropped[:, : units.shape[1]] & self._is_word)
        if dropped_pairs is not None:
            pairs = np.where(np.take_along_axis(dropped_pairs, self._pair_at, axis=1), 0, pairs)
        grams, gram_weights = self._trigrams(self._is_word & (units == 0))
        weights = [units > 0, pairs > 0, gram_weights]
        return Rows(np.concatenate([units, pairs, grams], 1).astype(np.int32), np.concatenate(weights, 1).astype(np.float32))

    def _without(self, dropped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of units and pairs without the dropped words and the pairs that contain them."""
        units = np.where(dropped, 0, self._units)
        either = np.pad(dropped, ((0, 0), (1, self._tokens.present.shape[1] - units.shape[1])))
        either = either[:, 1:] | either[:, :-1]
        return units, np.where(np.take_along_axis(either, self._pair_at, axis=1), 0, self._pairs)

    def _trigrams(self, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the trigrams of unknown words, and their weights: each word weighs 1 in total."""
        tokens = self._tokens
        unknown = np.pad(unknown, ((0, 0), (0, tokens.present.shape[1] - unknown.shape[1])))
        active = np.take_along_axis(unknown, tokens.gram_unit, axis=1) & (tokens.gram_present > 0)
        columns = min(self._vocabulary.size.max_grams, max(1, int(active.sum(1).max(initial=0))))
        at = np.argsort(~active, axis=1, kind="stable")[:, :columns]
        used = np.take_along_axis(active, at, axis=1)
        first = 1 + len(self._vocabulary.hashes)
        rows = np.where(used, np.take_along_axis(tokens.gram_rows, at, axis=1) + first, 0)
        lengths = np.take_along_axis(tokens.lengths, np.take_along_axis(tokens.gram_unit, at, axis=1), axis=1)
        return rows, used / np.maximum(lengths, 1)

    def gram_rows(self) -> np.ndarray:
        """The rows of the trigrams of all words, known or not: `(n, t)` int32, 0 for none."""
        rows = self.rows(np.ones(self._tokens.present.shape, bool)).rows
        return np.where(rows > len(self._vocabulary.hashes), rows, 0)

    def random_rows(self, share: float, pair_share: float, rng: np.random.Generator) -> Rows:
        """`rows` without a random share of the known words and one of the known pairs."""
        shape = self._tokens.present.shape
        return self.rows(rng.random(shape) < share if share else None, rng.random(shape) < pair_share if pair_share else None)
