"""The trained head behind a backbone: fixed scaling, if there is any, layer norm, then a linear and a hidden branch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from maker.encoders.layers import EPSILON, GELU_SLOPE, Dense, Gelu, Layer, LayerNorm, Standardise, Sum
from maker.training.initialise import Start
from maker.training.precision import matmul

HIDDEN = 1024
HIDDEN_OF_LAYERS = 256  # for features of several layers, which are more
HEAD_DROPOUT = 0.3
RESIDUAL_START = 0.1


class Head:
    """A head that turns features into embeddings.

    Attributes:
        variables: The trained variables.
        decayed: Those of them with weight decay.
    """

    def __init__(
        self,
        width: int,
        dimension: int,
        dropout: float,
        seed: int,
        start: Start | None,
        precision: str = "float32",
        scaling: Standardise | None = None,
        hidden: int = HIDDEN,
    ) -> None:
        """Takes features of `width` values, which `scaling` changes first; `start` initialises the linear branch, at random if None."""
        rng = np.random.default_rng(seed + 1)
        self._dropout, self._precision, self._scaling = dropout, precision, scaling
        self._gain = tf.Variable(np.ones(width, np.float32), name="gain")
        self._shift = tf.Variable(np.zeros(width, np.float32), name="shift")
        self._weights = tf.Variable(start.weights if start else _glorot(rng, width, dimension), name="weights")
        self._bias = tf.Variable(start.bias if start else np.zeros(dimension, np.float32), name="bias")
        self._hidden = tf.Variable(_glorot(rng, width, hidden), name="hidden")
        self._hidden_bias = tf.Variable(np.zeros(hidden, np.float32), name="hidden_bias")
        self._out = tf.Variable(_glorot(rng, hidden, dimension) * RESIDUAL_START, name="out")
        self.decayed = [self._weights, self._hidden, self._out]
        self.variables = [self._gain, self._shift, self._bias, self._hidden_bias, *self.decayed]

    def forward(self, features: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Unit-norm embeddings `[n, d]` of features `[n, width]` float32. With a `[2]` int32 seed it applies dropout, as in training."""
        precision = "float32" if seed is None else self._precision
        if self._scaling is not None:
            features = (features - self._scaling.mean) / self._scaling.deviation
        x = features - tf.reduce_mean(features, 1, keepdims=True)
        x *= tf.math.rsqrt(tf.reduce_mean(tf.square(x), 1, keepdims=True) + EPSILON)
        x = x * self._gain + self._shift
        if seed is not None:
            x = tf.nn.experimental.stateless_dropout(x, self._dropout, seed)
        hidden = matmul(x, self._hidden, precision) + self._hidden_bias
        hidden *= tf.sigmoid(GELU_SLOPE * hidden)
        if seed is not None:
            hidden = tf.nn.experimental.stateless_dropout(hidden, HEAD_DROPOUT, tf.random.experimental.stateless_fold_in(seed, 1))
        return tf.math.l2_normalize(matmul(x, self._weights, precision) + self._bias + matmul(hidden, self._out, precision), 1)

    @property
    def scaling(self) -> Sequence[Layer]:
        """The fixed scaling as layers; none without it."""
        return [] if self._scaling is None else [self._scaling]

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """`(n, width)` features after the fixed scaling."""
        return features if self._scaling is None else self._scaling.apply(features)

    def layers(self, scaling: bool = True) -> Sequence[Layer]:
        """The layers to export behind the backbone, with the fixed scaling or without it."""
        hidden: list[Layer] = [Dense(self._hidden.numpy(), self._hidden_bias.numpy()), Gelu(), Dense(self._out.numpy())]
        linear: list[Layer] = [Dense(self._weights.numpy(), self._bias.numpy())]
        return [*(self.scaling if scaling else []), LayerNorm(self._gain.numpy(), self._shift.numpy()), Sum([linear, hidden])]


def layer_normalise(features: np.ndarray) -> np.ndarray:
    """Normalises each row to mean 0 and variance 1, as the first layer of the head does before training."""
    centred = features - features.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + EPSILON)


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)
