"""The text side of training with the `words` tower and a frozen sentence tower together."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import tensorflow as tf

from maker.training.frozen_text import CaptionNumbers, FrozenText
from maker.training.text_side import BLOCK, TextSide
from maker.training.vocabulary import CaptionRows, Rows


class JointText:
    """The normalised sum of the embeddings of both, that of the words times a learnt positive factor."""

    def __init__(self, words: TextSide, sentence: FrozenText) -> None:
        self.words, self.sentence = words, sentence
        self._log_factor = tf.Variable(np.float32(0), name="log_factor")
        self.variables = [*words.variables, *sentence.variables, self._log_factor]
        self.decayed = [*words.decayed, *sentence.decayed]

    @property
    def factor(self) -> float:
        """What the embedding of the words is multiplied by."""
        return float(np.exp(self._log_factor.numpy()))

    def forward(self, rows: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of `JointCaptions`. With a `[2]` int32 seed it applies dropout, as in training."""
        of_words = self.words.forward(rows[:, 1:], weights[:, 1:], seed)
        sentence_seed = None if seed is None else tf.random.experimental.stateless_fold_in(seed, 4)
        of_sentence = self.sentence.forward(rows[:, :1], weights[:, :1], sentence_seed)
        return tf.math.l2_normalize(of_words * tf.exp(self._log_factor) + of_sentence, 1)

    def embed(self, rows: Rows) -> np.ndarray:
        """Unit-norm embeddings, `(n, d)` float32, without dropout."""
        parts = []
        for start in range(0, len(rows.rows), BLOCK):
            block = slice(start, start + BLOCK)
            parts.append(self.forward(tf.constant(rows.rows[block]), tf.constant(rows.weights[block])).numpy())
        return np.concatenate(parts)


class JointCaptions:
    """Captions as row numbers of a frozen tower's features, in the first column, and as rows of the embedding table behind it."""

    def __init__(self, words: CaptionRows, sentences: CaptionNumbers) -> None:
        self.words, self.sentences = words, sentences

    def rows(self) -> Rows:
        """All captions."""
        return _side_by_side(self.sentences.rows(), self.words.rows())

    def random_rows(self, share: float, pair_share: float, rng: np.random.Generator) -> Rows:
        """`rows` without a random share of the known words and one of the known pairs."""
        return _side_by_side(self.sentences.rows(), self.words.random_rows(share, pair_share, rng))


def _side_by_side(first: Rows, second: Rows) -> Rows:
    return Rows(np.concatenate([first.rows, second.rows], 1), np.concatenate([first.weights, second.weights], 1))


AnyTextSide: TypeAlias = TextSide | FrozenText | JointText
AnyCaptions: TypeAlias = CaptionRows | CaptionNumbers | JointCaptions
