"""A head that looks at its features through a few directions, so that its large matrices become small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maker.encoders.layers import GELU_SLOPE, Dense, Gelu, Layer, LayerNorm, Scale, SideBySide, Standardise, Sum

MOST = 4096  # images that the directions are fitted to
TINY = 1e-9


def low_rank(head: Sequence[Layer], features: np.ndarray, rank: int) -> list[Layer]:
    """The head with one matrix from its features to `rank` directions, which all its branches read.

    What the branches' own matrices make of the features of real images lies close to a few directions. The best of them for these images
    are found by reduced-rank regression (Izenman, 1975), each value weighted by how much it moves the embedding.

    Args:
        head: A trained head, with a second encoder beside it or without.
        features: `(n, f)` float32 features of images; may be memory-mapped.
        rank: Number of directions. What a hidden branch adds to the embedding keeps half as many.

    Returns:
        The head; as it is where the rank is too high to save anything, or where it has other layers than training makes.
    """
    x = np.asarray(features[np.linspace(0, len(features) - 1, min(MOST, len(features))).astype(int)], np.float32)
    scaling = [layer for layer in head[:1] if isinstance(layer, Standardise)]
    for layer in scaling:
        x = layer.apply(x)
    rest = list(head[len(scaling) :])
    beside = isinstance(rest[0], SideBySide)
    sides = [_side(layers) for layers in (rest[0].branches if isinstance(rest[0], SideBySide) else [rest])]
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        return list(head)
    plain = LayerNorm(np.ones(x.shape[1], np.float32), np.zeros(x.shape[1], np.float32), known[0].epsilon)
    x = _normalised(x, plain.epsilon)
    readers = [reader for side in known for reader in side.readers]
    effects = np.concatenate([effect for side in known for effect in side.effects(x)])
    if rank * (x.shape[1] + len(effects)) >= x.shape[1] * len(effects):
        return list(head)
    weights = np.concatenate([reader.first.weights for reader in readers], axis=1) * effects
    axes, left = _directions(x @ weights, rank)
    projection = Dense(weights @ axes)
    x = x @ projection.weights
    made, start = [], 0
    for side in known:
        branches = []
        for reader in side.readers:
            part = slice(start, start := start + reader.first.weights.shape[1])
            bias = (_bias(reader.first) + left[part] / effects[part]).astype(np.float32)
            branches.append(reader.behind(Dense(np.ascontiguousarray(axes[part].T / effects[part]), bias), x, max(rank // 2, 1)))
        made.append([Sum(branches), *side.after])
    return [*scaling, plain, projection, *([SideBySide(made), *rest[1:]] if beside else made[0])]


@dataclass(frozen=True)
class _Reader:
    """x W + b, and for a hidden branch the activation and a second matrix behind it."""

    first: Dense
    second: Dense | None

    def behind(self, first: Dense, x: np.ndarray, rank: int) -> list[Layer]:
        """The branch with another first matrix, which takes x, and its second matrix at a lower rank."""
        return [first] if self.second is None else [first, Gelu(), *_narrowed(self.second, _gelu(_dense(first, x)), rank)]

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """`(n, d)`: what it adds to the embedding."""
        made = _dense(self.first, x)
        return made if self.second is None else _dense(self.second, _gelu(made))

    def effects(self, x: np.ndarray) -> np.ndarray:
        """`(outputs,)`: how much a change of each result of the first matrix moves what it adds to the embedding."""
        if self.second is None:
            return np.ones(self.first.weights.shape[1], np.float32)
        hidden = _dense(self.first, x)
        share = 1 / (1 + np.exp(-GELU_SLOPE * hidden))
        slopes = share * (1 + GELU_SLOPE * hidden * (1 - share))
        moved: np.ndarray = np.linalg.norm(self.second.weights, axis=1) * np.sqrt((slopes**2).mean(0))
        return np.maximum(moved, TINY * max(float(moved.max()), 1.0))


@dataclass(frozen=True)
class _Side:
    """One of two encoders side by side, or the only one: readers of normalised features, whose sum goes through layers."""

    epsilon: float
    readers: Sequence[_Reader]
    after: Sequence[Layer]

    def effects(self, x: np.ndarray) -> list[np.ndarray]:
        """Those of each reader; the sum is scaled to a norm of 1, and then to its share of the embedding."""
        total = np.sum([reader.outputs(x) for reader in self.readers], axis=0)
        share = float(np.prod([layer.factor for layer in self.after if isinstance(layer, Scale)]))
        factor = share / max(float(np.linalg.norm(total, axis=1).mean()), TINY)
        return [(factor * reader.effects(x)).astype(np.float32) for reader in self.readers]


def _side(layers: Sequence[Layer]) -> _Side | None:
    """An encoder's layers: a normalisation, a sum of branches or a matrix, and others; None for layers of another kind."""
    norm, summed, *after = layers if len(layers) > 1 else (None, None)
    if not isinstance(norm, LayerNorm) or not isinstance(summed, (Sum, Dense)):
        return None
    readers = []
    for first, *others in summed.branches if isinstance(summed, Sum) else [[summed]]:
        hidden = len(others) == 2 and isinstance(others[0], Gelu)
        second = others[1] if hidden else None
        if not isinstance(first, Dense) or (others and not isinstance(second, Dense)):
            return None
        # The gain and the bias of the normalisation become part of the matrix.
        bias = (norm.bias @ first.weights + _bias(first)).astype(np.float32)
        readers.append(_Reader(Dense(first.weights * norm.gain[:, None], bias), second if isinstance(second, Dense) else None))
    return _Side(norm.epsilon, readers, after)


def _narrowed(layer: Dense, x: np.ndarray, rank: int) -> list[Layer]:
    """A matrix as the product of two; itself where that saves nothing."""
    if rank * sum(layer.weights.shape) >= layer.weights.size:
        return [layer]
    axes, left = _directions(x @ layer.weights, rank)
    return [Dense(layer.weights @ axes), Dense(np.ascontiguousarray(axes.T), (_bias(layer) + left).astype(np.float32))]


def _directions(outputs: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The main directions of `(n, d)` values, `(d, rank)` float32, and the part of their mean that lies outside of them, `(d,)` float32."""
    mean = outputs.mean(0)
    _, axes = np.linalg.eigh(np.cov(outputs, rowvar=False))
    axes = np.ascontiguousarray(axes[:, -rank:], np.float32)
    return axes, (mean - axes @ (axes.T @ mean)).astype(np.float32)


def _bias(layer: Dense) -> np.ndarray:
    return np.zeros(layer.weights.shape[1], np.float32) if layer.bias is None else layer.bias


def _dense(layer: Dense, x: np.ndarray) -> np.ndarray:
    made: np.ndarray = x @ layer.weights + _bias(layer)
    return made


def _gelu(x: np.ndarray) -> np.ndarray:
    made: np.ndarray = x / (1 + np.exp(-GELU_SLOPE * x))
    return made


def _normalised(x: np.ndarray, epsilon: float) -> np.ndarray:
    centred = x - x.mean(1, keepdims=True)
    made: np.ndarray = centred / np.sqrt((centred**2).mean(1, keepdims=True) + epsilon)
    return made
