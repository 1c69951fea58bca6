"""An exponential moving average of variables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


class Average:
    """The averaged weights, which are evaluated and exported. Used as a context, it puts the averages into the variables."""

    def __init__(self, variables: Sequence[tf.Variable], decay: float) -> None:
        self._averaged = list(variables)
        self._decay = decay
        self._step = tf.Variable(0.0)
        self._means = [tf.Variable(v) for v in variables]

    @property
    def variables(self) -> list[tf.Variable]:
        """The state that a checkpoint has to hold."""
        return [self._step, *self._means]

    def update(self) -> None:
        """Adds the current values of the variables."""
        # A young average decays faster, so that the initial weights fade soon.
        self._step.assign_add(1.0)
        decay = tf.minimum(self._decay, self._step / (self._step + 9.0))
        for mean, variable in zip(self._means, self._averaged, strict=True):
            mean.assign(mean * decay + variable * (1.0 - decay))

    def values(self) -> list[np.ndarray]:
        """The averages, in the order of the variables."""
        return [mean.numpy() for mean in self._means]

    def assign(self, values: Sequence[np.ndarray]) -> None:
        """Sets the variables to values."""
        for variable, value in zip(self._averaged, values, strict=True):
            variable.assign(value)

    def __enter__(self) -> None:
        self._kept = [v.numpy() for v in self._averaged]
        self.assign(self.values())

    def __exit__(self, *_: object) -> None:
        self.assign(self._kept)
