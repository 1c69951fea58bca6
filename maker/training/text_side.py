"""The text side of training: the `words` tower."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from maker.encoders.words import MANY, WordsTower
from maker.training.initialise import TABLE_DEVIATION
from maker.training.vocabulary import Rows, Vocabulary

TINY = 1e-6
BLOCK = 1024


class TextSide:
    """The weighted mean of rows of an embedding table. Rows have learnt positive weights, with attention times a share."""

    def __init__(
        self, vocabulary: Vocabulary, dimension: int, dropout: float, seed: int, table: np.ndarray | None = None, pooling: str = "average"
    ) -> None:
        self._vocabulary = vocabulary
        self._dropout = dropout
        if table is None:
            rng = np.random.default_rng(seed)
            table = rng.normal(0, TABLE_DEVIATION, (vocabulary.table_rows, dimension)).astype(np.float32)
        self.table = tf.Variable(table, name="table")
        self.log_weights = tf.Variable(np.zeros(len(table), np.float32), name="log_weights")
        self.variables = [self.table, self.log_weights]
        self.decayed = [self.table]
        self._attention: tf.Variable | None = None
        if pooling == "attention":
            self._attention = tf.Variable(np.zeros((dimension, dimension), np.float32), name="attention")
            self.variables.append(self._attention)
            self.decayed.append(self._attention)

    def forward(self, rows: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of `[n, t]` rows and weights. With a `[2]` int32 seed it applies dropout, as in training."""
        weighted = weights * tf.exp(tf.gather(self.log_weights, rows))
        weighted /= tf.maximum(tf.reduce_sum(weighted, 1, keepdims=True), TINY)
        vectors = tf.gather(self.table, rows)
        pooled = tf.squeeze(tf.matmul(weighted[:, None, :], vectors), 1)
        if self._attention is not None:
            query = tf.math.l2_normalize(pooled, 1) @ self._attention
            own = tf.exp(tf.gather(self.log_weights, rows))
            scores = tf.squeeze(tf.matmul(vectors, query[:, :, None]), 2) * own
            share = tf.nn.softmax(tf.where(weights > 0, scores, -MANY))
            pooled = tf.squeeze(tf.matmul((weighted * share)[:, None, :], vectors), 1)
        if seed is not None and self._dropout:
            pooled = tf.nn.experimental.stateless_dropout(pooled, self._dropout, seed)
        return tf.math.l2_normalize(pooled, 1)

    def embed(self, rows: Rows) -> np.ndarray:
        """Unit-norm embeddings, `(n, d)` float32, without dropout."""
        parts = []
        for start in range(0, len(rows.rows), BLOCK):
            block = slice(start, start + BLOCK)
            parts.append(self.forward(tf.constant(rows.rows[block]), tf.constant(rows.weights[block])).numpy())
        return np.concatenate(parts)

    def tower(self) -> WordsTower:
        """The trained tower, to export."""
        vocabulary = self._vocabulary
        table = self.table.numpy() * np.exp(self.log_weights.numpy())[:, None]
        return WordsTower(vocabulary.hashes, table, vocabulary.size, None if self._attention is None else self._attention.numpy())
