"""Mixed precision: layers compute in 16 bits during training; variables and loss stay in float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

FIRST_SCALE, MAX_SCALE = 2.0**15, 2.0**24
STEPS_TO_DOUBLE = 2000


def policy(mixed: bool) -> str:
    """The name of the Keras policy: GPUs are fast in float16, CPUs in bfloat16."""
    if not mixed:
        return "float32"
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"


def compute_type(name: str) -> tf.DType:
    """The type that a policy computes in."""
    return tf.as_dtype(name.removeprefix("mixed_"))


def matmul(a: tf.Tensor, b: tf.Tensor, name: str) -> tf.Tensor:
    """The matrix product as float32, computed in the type of the policy."""
    kind = compute_type(name)
    return tf.cast(tf.cast(a, kind) @ tf.cast(b, kind), tf.float32)


@contextmanager
def computing_in(model: Any, name: str) -> Iterator[None]:
    """Calls of the Keras model within this context use a policy. Evaluation and export, outside, use the model's own."""
    if name == "float32":
        yield
        return
    layers = list(model._flatten_layers())
    kept = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = name
        yield
    finally:
        for layer, own in zip(layers, kept, strict=True):
            layer.dtype_policy = own


class LossScale:
    """Scales the loss so that float16 gradients do not vanish (Micikevicius et al., ICLR 2018, section 3.2).

    The scale is halved when gradients overflow, and doubled after 2,000 steps without an overflow. Keras' `LossScaleOptimizer` does not
    accept gradients that are already summed over replicas.

    Attributes:
        variables: The state that a checkpoint has to hold.
    """

    def __init__(self, name: str) -> None:
        self._scaled = name == "mixed_float16"
        self._scale = tf.Variable(FIRST_SCALE)
        self._good = tf.Variable(0.0)
        self.variables = [self._scale, self._good] if self._scaled else []

    def up(self, loss: tf.Tensor) -> tf.Tensor:
        """The scaled loss, to differentiate."""
        return loss * self._scale if self._scaled else loss

    def down(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients of the unscaled loss; zeros if any overflowed, so that only momentum moves the weights."""
        if not self._scaled:
            return list(gradients)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        inverse = 1.0 / self._scale
        good = tf.where(finite, self._good + 1.0, 0.0)
        grown = tf.where(good >= STEPS_TO_DOUBLE, tf.minimum(self._scale * 2.0, MAX_SCALE), self._scale)
        self._scale.assign(tf.where(finite, grown, tf.maximum(self._scale / 2.0, 1.0)))
        self._good.assign(tf.where(good >= STEPS_TO_DOUBLE, 0.0, good))
        return [tf.where(finite, g * inverse, 0.0) for g in gradients]
