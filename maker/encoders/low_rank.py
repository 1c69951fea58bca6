"""A head with a narrower hidden branch: its first matrix as the product of two small ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maker.encoders.layers import Dense, Layer, LayerNorm, Standardise, Sum

MOST = 4096  # images that the product is fitted to


def low_rank(head: Sequence[Layer], features: np.ndarray, rank: int) -> list[Layer]:
    """The head with the first matrix of each hidden branch at a lower rank.

    What the matrix makes of the features of real images lies close to a few directions. The product of the two small matrices is the best
    one of its rank for these images: reduced-rank regression (Izenman, 1975).

    Args:
        head: A trained head: layers of features, then a sum of branches.
        features: `(n, f)` float32 features of images; may be memory-mapped.
        rank: Number of directions; a branch that is not wider stays as it is.
    """
    x = np.asarray(features[np.linspace(0, len(features) - 1, min(MOST, len(features))).astype(int)], np.float32)
    made: list[Layer] = []
    for layer in head:
        if isinstance(layer, Sum):
            made.append(Sum([_narrowed(branch, x, rank) for branch in layer.branches]))
        else:
            made.append(layer)
            x = _applied(layer, x)
    return made


def _narrowed(branch: Sequence[Layer], x: np.ndarray, rank: int) -> Sequence[Layer]:
    first, *others = branch
    if not others or not isinstance(first, Dense) or rank * sum(first.weights.shape) >= first.weights.size:
        return branch
    outputs = x @ first.weights
    mean = outputs.mean(0)
    _, axes = np.linalg.eigh(np.cov(outputs, rowvar=False))
    axes = np.ascontiguousarray(axes[:, -rank:], np.float32)
    bias = mean - axes @ (axes.T @ mean) + (0 if first.bias is None else first.bias)
    return [Dense(first.weights @ axes), Dense(np.ascontiguousarray(axes.T), bias.astype(np.float32)), *others]


def _applied(layer: Layer, x: np.ndarray) -> np.ndarray:
    """`(n, f)` float32 of what a layer makes of features."""
    if isinstance(layer, Standardise):
        return layer.apply(x)
    assert isinstance(layer, LayerNorm)
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + layer.epsilon) * layer.gain + layer.bias
