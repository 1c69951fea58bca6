"""The text side of training with a frozen text tower: a head over its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from maker.encoders.sentence_tower import TextBackbone
from maker.training.head import Head
from maker.training.vocabulary import Rows

BLOCK = 1024


@dataclass(frozen=True)
class TextFeatures:
    """The features that a frozen text tower made of sentences.

    Attributes:
        tower: The tower; the trained head is exported behind it. None if nothing is exported.
        rows: Row of each sentence.
        values: `(sentences, f)` float32; may be memory-mapped.
        with_words: Whether the `words` tower is trained beside it.
    """

    tower: TextBackbone | None
    rows: dict[str, int]
    values: np.ndarray
    with_words: bool = False

    def sentences(self, texts: Sequence[str]) -> CaptionNumbers:
        """Sentences as row numbers of `values`."""
        return CaptionNumbers(np.array([self.rows[text] for text in texts]))


class FrozenText:
    """A head over features of sentences, with the same layers as the head of an image backbone."""

    def __init__(self, features: np.ndarray, head: Head) -> None:
        """Takes `(n, f)` float32 features; captions refer to them by row number."""
        self._features = tf.constant(np.asarray(features, np.float32))
        self.head = head
        self.variables, self.decayed = head.variables, head.decayed

    def forward(self, rows: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of row numbers `[n, 1]`. With a `[2]` int32 seed it applies dropout, as in training."""
        return self.head.forward(tf.gather(self._features, rows[:, 0]), seed)

    def embed(self, rows: Rows) -> np.ndarray:
        """Unit-norm embeddings, `(n, d)` float32, without dropout."""
        blocks = [tf.constant(rows.rows[start : start + BLOCK]) for start in range(0, len(rows.rows), BLOCK)]
        return np.concatenate([self.forward(block, block).numpy() for block in blocks])


class CaptionNumbers:
    """Captions as row numbers of the features of a frozen tower."""

    def __init__(self, numbers: np.ndarray) -> None:
        """Takes the row number of each caption."""
        rows = np.asarray(numbers, np.int32)[:, None]
        self._rows = Rows(rows, np.ones(rows.shape, np.float32))

    def rows(self) -> Rows:
        """All captions."""
        return self._rows

    def random_rows(self, share: float, pair_share: float, rng: np.random.Generator) -> Rows:
        """The same as `rows`: word dropout is not possible on features."""
        return self._rows
