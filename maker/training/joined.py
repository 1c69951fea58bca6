"""Joins two dual encoders over the same words and images into one of fewer dimensions.

The sum of the similarities of both is the dot product of their embeddings side by side. It is a bilinear form, and its best approximation
of a lower rank, over the embeddings of the training data, is a singular value decomposition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TINY = 1e-9


@dataclass(frozen=True)
class Joined:
    """The joined encoder.

    Attributes:
        table: `(rows, d)` float32 embedding table of the words.
        projection: `(first + second, d)` float32, for the unit-norm image embeddings of both side by side, those of the second times
            `factor`.
        factor: See `projection`.
    """

    table: np.ndarray
    projection: np.ndarray
    factor: float

    def images(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Unit-norm embeddings, `(n, d)` float32, of the unit-norm image embeddings of both."""
        return unit(np.concatenate([first, self.factor * second], axis=1) @ self.projection)


def join(
    tables: tuple[np.ndarray, np.ndarray],
    rows: np.ndarray,
    weights: np.ndarray,
    images: tuple[np.ndarray, np.ndarray],
    share: float,
    dimension: int,
) -> Joined:
    """Joins two encoders.

    Args:
        tables: `(rows, d)` float32, the embedding table of each; a caption is the weighted sum of its rows.
        rows: `(captions, t)` int32 rows of the training captions.
        weights: `(captions, t)` float32 their weights.
        images: `(n, d)` float32, the unit-norm embeddings of the training images by each.
        share: Weight of the second encoder's similarity; that of the first one is 1.
        dimension: Dimension of the result, at most that of both together.
    """
    factor = float(np.sqrt(share))
    lengths = [float(np.linalg.norm(sums(table, rows, weights), axis=1).mean()) for table in tables]
    table = np.concatenate([tables[0] / max(lengths[0], TINY), tables[1] * (factor / max(lengths[1], TINY))], axis=1)
    both = np.concatenate([images[0], factor * images[1]], axis=1)
    of_texts, of_images = reduced(unit(sums(table, rows, weights)), both, dimension)
    return Joined((table @ of_texts).astype(np.float32), of_images, factor)


def reduced(texts: np.ndarray, images: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """The projections to fewer dimensions, `(d, dimension)` float32 each, that change the dot products of texts and images least.

    Args:
        texts: `(q, d)` float32.
        images: `(n, d)` float32.
        dimension: At most d.
    """
    # What all images share changes no order, so that it need not be kept.
    text_root, text_inverse = _roots(texts.T @ texts / len(texts))
    image_root, image_inverse = _roots(np.cov(images.T, bias=True))
    left, strength, right = np.linalg.svd(text_root @ image_root)
    scale = np.sqrt(strength[:dimension])
    return (text_inverse @ left[:, :dimension] * scale).astype(np.float32), (image_inverse @ right[:dimension].T * scale).astype(np.float32)


def sums(table: np.ndarray, rows: np.ndarray, weights: np.ndarray, block: int = 2048) -> np.ndarray:
    """The weighted sum of the table rows of each caption, `(captions, d)` float32."""
    starts = range(0, len(rows), block)
    return np.concatenate([np.einsum("nt,ntd->nd", weights[i : i + block], table[rows[i : i + block]]) for i in starts])


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Rows divided by their norm; rows of zeros stay."""
    return (embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), TINY)).astype(np.float32)


def _roots(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symmetric square root of a symmetric matrix, and its inverse."""
    variance, axes = np.linalg.eigh(moments.astype(np.float64))
    root = np.sqrt(np.maximum(variance, TINY))
    return axes * root @ axes.T, axes / root @ axes.T
