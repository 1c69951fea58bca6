"""A rotation after which the first dimensions of embeddings matter most."""

from __future__ import annotations

import numpy as np

from maker.encoders.prefix import TINY

BLOCK = 1 << 16


def rotation(items: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The principal axes of items and queries together, the largest first.

    The axes are those of the sum of both second moments, each divided by its trace, not centred: a dot product of a query and an item
    then loses least if the last dimensions are left out.

    Args:
        items: `(n, d)` float32; may be memory-mapped.
        queries: `(q, d)` float32.

    Returns:
        `(d, d)` float32, orthonormal: `embeddings @ rotation` are the rotated ones.
    """
    total = sum(moment / max(np.trace(moment), TINY) for moment in (_second_moment(items), _second_moment(queries)))
    _, axes = np.linalg.eigh(total)
    axes = axes[:, ::-1]
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])  # else they differ between libraries
    return np.ascontiguousarray(axes * signs, np.float32)


def mapped(embeddings: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """`(n, e)` float32: `(n, d)` embeddings times a `(d, e)` matrix, divided by their Euclidean norm."""
    made = np.empty((len(embeddings), matrix.shape[1]), np.float32)
    for start in range(0, len(embeddings), BLOCK):
        np.matmul(np.asarray(embeddings[start : start + BLOCK], np.float32), matrix, out=made[start : start + BLOCK])
    return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), TINY)


def _second_moment(embeddings: np.ndarray) -> np.ndarray:
    total = np.zeros((embeddings.shape[1], embeddings.shape[1]))
    for start in range(0, len(embeddings), BLOCK):
        block = np.asarray(embeddings[start : start + BLOCK], np.float64)
        total += block.T @ block
    return total
