"""The image tower while it is trained: a head over frozen features, or a small CNN from scratch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from maker.encoders.convert import convert_keras
from maker.encoders.embedder import MOBILENET_MEAN, Tower, image_tower
from maker.encoders.layers import EPSILON, GELU_SLOPE, Dense, Gelu, Layer, LayerNorm, Sum
from maker.graph.source import Source
from maker.training.options import CNN_SIZE

HIDDEN = 1024
HEAD_DROPOUT = 0.3
RESIDUAL_START = 0.1
BLOCK = 512
CNN_SHIFT = 3  # pixels


class ImageSide(Protocol):
    """What the training loop asks of an image tower."""

    variables: list[tf.Variable]
    decayed: list[tf.Variable]
    untrained: list[tf.Variable]  # statistics that move with training but have no gradient

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """`[n, d]` embeddings of norm 1 of images by number; with a `[2]` int32 seed, with the noise of training."""


def embed(side: ImageSide, images: np.ndarray) -> np.ndarray:
    """`(n, d)` float32 embeddings of images by number."""
    blocks = [tf.constant(images[start : start + BLOCK], tf.int32) for start in range(0, len(images), BLOCK)]
    return np.concatenate([side.forward(block).numpy() for block in blocks])


def layer_normalise(features: np.ndarray) -> np.ndarray:
    """Features of mean 0 and variance 1 a row, as the head's first layer makes them at the start."""
    centred = features - features.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + EPSILON)


class FrozenFeatures:
    """A head over features of a frozen backbone: layer norm, then a linear and a hidden branch."""

    def __init__(
        self, features: np.ndarray, dimension: int, dropout: float, seed: int, weights: np.ndarray | None, bias: np.ndarray | None
    ) -> None:
        width = features.shape[1]
        rng = np.random.default_rng(seed + 1)
        self._features = tf.constant(features)
        self._dropout = dropout
        self._gain = tf.Variable(np.ones(width, np.float32), name="gain")
        self._shift = tf.Variable(np.zeros(width, np.float32), name="shift")
        self._weights = tf.Variable(_glorot(rng, width, dimension) if weights is None else weights, name="weights")
        self._bias = tf.Variable(np.zeros(dimension, np.float32) if bias is None else bias, name="bias")
        self._hidden = tf.Variable(_glorot(rng, width, HIDDEN), name="hidden")
        self._hidden_bias = tf.Variable(np.zeros(HIDDEN, np.float32), name="hidden_bias")
        self._out = tf.Variable(_glorot(rng, HIDDEN, dimension) * RESIDUAL_START, name="out")
        self.decayed = [self._weights, self._hidden, self._out]
        self.variables = [self._gain, self._shift, self._bias, self._hidden_bias, *self.decayed]
        self.untrained: list[tf.Variable] = []

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """`[n, d]` embeddings of norm 1 of images by row of the features; with a `[2]` int32 seed, with dropout as in training."""
        x = tf.gather(self._features, images)
        x -= tf.reduce_mean(x, 1, keepdims=True)
        x *= tf.math.rsqrt(tf.reduce_mean(tf.square(x), 1, keepdims=True) + EPSILON)
        x = x * self._gain + self._shift
        if seed is not None:
            x = tf.nn.experimental.stateless_dropout(x, self._dropout, seed)
        hidden = x @ self._hidden + self._hidden_bias
        hidden *= tf.sigmoid(GELU_SLOPE * hidden)
        if seed is not None:
            hidden = tf.nn.experimental.stateless_dropout(hidden, HEAD_DROPOUT, tf.random.experimental.stateless_fold_in(seed, 1))
        return tf.math.l2_normalize(x @ self._weights + self._bias + hidden @ self._out, 1)

    def head(self) -> Sequence[Layer]:
        """The trained head, to export behind the backbone."""
        hidden: list[Layer] = [Dense(self._hidden.numpy(), self._hidden_bias.numpy()), Gelu(), Dense(self._out.numpy())]
        linear: list[Layer] = [Dense(self._weights.numpy(), self._bias.numpy())]
        return [LayerNorm(self._gain.numpy(), self._shift.numpy()), Sum([linear, hidden])]


class ScratchCnn:
    """A small convolutional network learnt with the text tower, for pictures that no pretrained backbone knows."""

    def __init__(self, pixels: np.ndarray, dimension: int) -> None:
        """Builds the network; `pixels` are `(n, CNN_SIZE, CNN_SIZE, 3)` uint8."""
        layers = tf.keras.layers
        inputs = tf.keras.Input((CNN_SIZE, CNN_SIZE, 3))
        x = _convolution(inputs, 24, 2)
        x = layers.MaxPool2D()(_convolution(x, 48, 1))
        x = layers.MaxPool2D()(_convolution(x, 96, 1))
        x = _convolution(x, 128, 1)
        x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
        self._network = tf.keras.Model(inputs, layers.Dense(dimension)(x))
        self._pixels = tf.constant(pixels)
        self.variables = [v.value for v in self._network.trainable_variables]
        self.decayed = [v for v in self.variables if len(v.shape) > 1]
        self.untrained = [v.value for v in self._network.non_trainable_variables]

    def forward(self, images: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """`[n, d]` embeddings of norm 1 of images by number; with a `[2]` int32 seed, moved by a few pixels as in training."""
        x = tf.cast(tf.gather(self._pixels, images), tf.float32) / MOBILENET_MEAN - 1.0
        if seed is not None:
            x = tf.roll(x, tf.random.stateless_uniform([2], seed, -CNN_SHIFT, CNN_SHIFT + 1, tf.int32), [1, 2])
        return tf.math.l2_normalize(self._network(x, training=seed is not None), 1)

    def backbone(self) -> Tower:
        """The trained network, converted to TFLite."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "scratch.tflite")
            convert_keras(self._network, path)
            return image_tower(Source(path))


def _convolution(x: tf.Tensor, filters: int, stride: int) -> tf.Tensor:
    layers = tf.keras.layers
    x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)
