"""The text tower while it is trained."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from maker.encoders.words import WordsTower
from maker.training.initialise import SPREAD
from maker.training.vocabulary import Rows, Vocabulary

TINY = 1e-6
BLOCK = 1024


class TextSide:
    """Averaged rows of an embedding table, each row with a learnt positive weight."""

    def __init__(self, vocabulary: Vocabulary, dimension: int, dropout: float, seed: int, table: np.ndarray | None = None) -> None:
        self._vocabulary = vocabulary
        self._dropout = dropout
        if table is None:
            rng = np.random.default_rng(seed)
            table = rng.normal(0, SPREAD, (vocabulary.table_rows, dimension)).astype(np.float32)
        self.table = tf.Variable(table, name="table")
        self.log_weights = tf.Variable(np.zeros(len(table), np.float32), name="log_weights")
        self.variables = [self.table, self.log_weights]
        self.decayed = [self.table]

    def forward(self, rows: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """`[n, d]` embeddings of norm 1 of `[n, t]` rows and weights; with a `[2]` int32 seed, with dropout as in training."""
        weighted = weights * tf.exp(tf.gather(self.log_weights, rows))
        weighted /= tf.maximum(tf.reduce_sum(weighted, 1, keepdims=True), TINY)
        pooled = tf.squeeze(tf.matmul(weighted[:, None, :], tf.gather(self.table, rows)), 1)
        if seed is not None and self._dropout:
            pooled = tf.nn.experimental.stateless_dropout(pooled, self._dropout, seed)
        return tf.math.l2_normalize(pooled, 1)

    def embed(self, rows: Rows) -> np.ndarray:
        """`(n, d)` float32 embeddings."""
        parts = []
        for start in range(0, len(rows.rows), BLOCK):
            block = slice(start, start + BLOCK)
            parts.append(self.forward(tf.constant(rows.rows[block]), tf.constant(rows.weights[block])).numpy())
        return np.concatenate(parts)

    def tower(self) -> WordsTower:
        """The tower to export."""
        vocabulary = self._vocabulary
        return WordsTower(vocabulary.hashes, self.table.numpy() * np.exp(self.log_weights.numpy())[:, None], vocabulary.size)
