"""Mixed precision: layers compute in 16 bits during training, variables and loss stay in float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

FIRST_SCALE, MOST_SCALE = 2.0**15, 2.0**24
STEPS_TO_DOUBLE = 2000


def policy(mixed: bool) -> str:
    """The Keras policy: float16 is what GPUs are fast in, bfloat16 what CPUs are."""
    if not mixed:
        return "float32"
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"


def compute_type(name: str) -> tf.DType:
    """What a policy computes in."""
    return tf.as_dtype(name.removeprefix("mixed_"))


def matmul(a: tf.Tensor, b: tf.Tensor, name: str) -> tf.Tensor:
    """A product computed as a policy says, as float32."""
    kind = compute_type(name)
    return tf.cast(tf.cast(a, kind) @ tf.cast(b, kind), tf.float32)


@contextmanager
def computing_in(model: Any, name: str) -> Iterator[None]:
    """Within it, what calls the Keras model is traced with a policy; evaluation and export, outside of it, see the model's own."""
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
    """Keeps float16 gradients from vanishing (Micikevicius et al., ICLR 2018, section 3.2): halved when they overflow, doubled in time.

    Keras' own, `LossScaleOptimizer`, cannot be asked to take gradients that are already summed over replicas.

    Attributes:
        variables: Its state.
    """

    def __init__(self, name: str) -> None:
        self._scaled = name == "mixed_float16"
        self._scale = tf.Variable(FIRST_SCALE)
        self._good = tf.Variable(0.0)
        self.variables = [self._scale, self._good] if self._scaled else []

    def up(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss to differentiate."""
        return loss * self._scale if self._scaled else loss

    def down(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients of the loss itself; zeros where they overflowed, which moves the weights by their momentum only."""
        if not self._scaled:
            return list(gradients)
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        inverse = 1.0 / self._scale
        good = tf.where(finite, self._good + 1.0, 0.0)
        grown = tf.where(good >= STEPS_TO_DOUBLE, tf.minimum(self._scale * 2.0, MOST_SCALE), self._scale)
        self._scale.assign(tf.where(finite, grown, tf.maximum(self._scale / 2.0, 1.0)))
        self._good.assign(tf.where(good >= STEPS_TO_DOUBLE, 0.0, good))
        return [tf.where(finite, g * inverse, 0.0) for g in gradients]
