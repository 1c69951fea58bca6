"""Layers of projection heads as graph operators, with their trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from maker.graph.subgraph import Subgraph

EPSILON = 1e-5
GELU_SLOPE = 1.702


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation (Ba, Kiros, Hinton, 2016) over the last axis, with gain and bias, `(d,)` float32."""

    gain: np.ndarray
    bias: np.ndarray
    epsilon: float = EPSILON

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[n, d]`."""
        column = (g.shape(x)[0], 1)
        centred = g.sub(x, g.reshape(g.mean(x, axis=1), column))
        variance = g.reshape(g.mean(g.mul(centred, centred), axis=1), column)
        scaled = g.mul(centred, g.rsqrt(g.add(variance, np.array(self.epsilon, np.float32))))
        gain, bias = self._rows
        return g.add(g.mul(scaled, gain), bias)

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        # Always the same array objects, so that the model stores them once if the layer is written several times.
        return self.gain[None], self.bias[None]


@dataclass(frozen=True)
class Standardise:
    """(x - mean) / deviation, by feature.

    Attributes:
        mean, deviation: `(d,)` float32.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Standardise:
        """The layer that gives each feature of `(n, d)` float32 a mean of 0 and a variance of 1; constant ones become 0."""
        deviation = features.std(0)
        return cls(features.mean(0), np.where(deviation > EPSILON * deviation.max(initial=0), deviation, np.inf).astype(np.float32))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """`(n, d)` float32 of `(n, d)` float32."""
        return (features - self.mean) / self.deviation

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[1, d]`."""
        return g.mul(g.sub(x, self.mean[None]), (1 / self.deviation)[None])


@dataclass(frozen=True)
class Dense:
    """x W + b.

    Attributes:
        weights: `(inputs, outputs)` float32.
        bias: `(outputs,)` float32; None for none.
    """

    weights: np.ndarray
    bias: np.ndarray | None = None

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[1, inputs]`."""
        return g.fully_connected(x, self._rows, self.bias)

    @cached_property
    def _rows(self) -> np.ndarray:
        # Always the same array object, so that the model stores it once if the layer is written several times.
        return np.ascontiguousarray(self.weights.T, np.float32)


@dataclass(frozen=True)
class Gelu:
    """x * sigmoid(1.702 x), the sigmoid approximation of GELU (Hendrycks, Gimpel, 2016, section 2). Old runtimes have its operators."""

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer."""
        return g.mul(x, g.logistic(g.mul(x, np.array(GELU_SLOPE, np.float32))))


@dataclass(frozen=True)
class Sum:
    """The sum of branches, each applied to x. An empty branch is x itself."""

    branches: Sequence[Sequence[Layer]]

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the branches and their sum."""
        total, *rest = [write_layers(g, x, branch) for branch in self.branches]
        for branch in rest:
            total = g.add(total, branch)
        return total


Layer: TypeAlias = "LayerNorm | Standardise | Dense | Gelu | Sum"


def write_layers(g: Subgraph, x: int, layers: Sequence[Layer]) -> int:
    """Adds layers one after the other."""
    for layer in layers:
        x = layer.write(g, x)
    return x
