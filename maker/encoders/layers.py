"""Layers of projection heads as graph operators, with their trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph

EPSILON = 1e-5
GELU_SLOPE = 1.702
HEAD = "head"  # name of the constants that hold matrices


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
        return g.fully_connected(x, g.constant(self._rows, HEAD), self.bias)

    @cached_property
    def _rows(self) -> np.ndarray:
        # Always the same array object, so that the model stores it once if the layer is written several times.
        return np.ascontiguousarray(self.weights.T, np.float32)


@dataclass(frozen=True)
class Int8Dense:
    """x W + b, with W in 8 bits.

    The graph decodes W before it multiplies, so x is not rounded and all runtimes give the same.

    Attributes:
        codes: `(outputs, inputs)` int8.
        scales: `(1, outputs)` float32; a row of W transposed is about scale * codes.
        bias: `(1, outputs)` float32; None for none.
    """

    codes: np.ndarray
    scales: np.ndarray
    bias: np.ndarray | None

    @classmethod
    def of(cls, layer: Dense) -> Int8Dense:
        """Rounds the weights of a layer."""
        codes, scales = int8_rows(np.ascontiguousarray(layer.weights.T, np.float32))
        return cls(codes, scales[None], None if layer.bias is None else layer.bias[None])

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[1, inputs]`."""
        product = g.mul(g.fully_connected(x, g.dequantize(g.constant(self.codes, HEAD, 1.0))), self.scales)
        return product if self.bias is None else g.add(product, self.bias)


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


@dataclass(frozen=True)
class Unit:
    """x divided by its Euclidean norm."""

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[1, d]`."""
        return g.l2_normalize(x)


@dataclass(frozen=True)
class Scale:
    """x times a number."""

    factor: float

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer."""
        return g.mul(x, np.array(self.factor, np.float32))


@dataclass(frozen=True)
class SideBySide:
    """The results of branches, each applied to x, one behind the other."""

    branches: Sequence[Sequence[Layer]]

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the branches; x is `[1, d]`."""
        return g.concat([write_layers(g, x, branch) for branch in self.branches], axis=1)


@dataclass(frozen=True)
class Constant:
    """x with a constant behind it."""

    value: float

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[1, d]`."""
        return g.concat([x, np.array([[self.value]], np.float32)], axis=1)


@dataclass(frozen=True)
class HubBias:
    """x with one more number, which is lower the more x resembles all sentences: `factor * (mean - similarity(x))`.

    Attributes:
        codes: `(n, d)` int8 embeddings of sentences.
        scale: The value of a code of 1.
        nearest: How many of the largest similarities count.
        mean: The mean of `similarity` over typical images.
        factor: See above.
    """

    codes: np.ndarray
    scale: float
    nearest: int
    mean: float
    factor: float

    def similarity(self, embeddings: np.ndarray) -> np.ndarray:
        """The mean of the largest similarities of `(n, d)` unit-norm embeddings, `(n,)`."""
        similarities = embeddings @ (self.codes.astype(np.float32) * np.float32(self.scale)).T
        return np.partition(similarities, -self.nearest, axis=1)[:, -self.nearest :].mean(1)

    def apply(self, embeddings: np.ndarray) -> np.ndarray:
        """`(n, d + 1)` float32 of `(n, d)` unit-norm embeddings."""
        bias = self.factor * (self.mean - self.similarity(embeddings))
        return np.concatenate([embeddings, bias[:, None]], axis=1).astype(np.float32)

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the layer; x is `[1, d]` with norm 1."""
        sentences = g.dequantize(g.constant(self.codes, "sentences", self.scale))
        largest, _ = g.top_k(g.fully_connected(x, sentences), self.nearest)
        excess = g.sub(np.array([[self.mean]], np.float32), g.reshape(g.mean(largest, axis=1), (1, 1)))
        return g.concat([x, g.mul(excess, np.array(self.factor, np.float32))], axis=1)


Layer: TypeAlias = "Int8Dense | LayerNorm | Standardise | Dense | Gelu | Sum | Unit | Scale | SideBySide | Constant | HubBias"


def write_layers(g: Subgraph, x: int, layers: Sequence[Layer]) -> int:
    """Adds layers one after the other."""
    for layer in layers:
        x = layer.write(g, x)
    return x


def in_int8(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with their matrices in 8 bits: a quarter of the bytes. Embeddings keep a cosine of 0.999 to those of float32 layers."""
    made: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Dense):
            made.append(Int8Dense.of(layer))
        elif isinstance(layer, Sum):
            made.append(Sum([in_int8(branch) for branch in layer.branches]))
        elif isinstance(layer, SideBySide):
            made.append(SideBySide([in_int8(branch) for branch in layer.branches]))
        else:
            made.append(layer)
    return made
