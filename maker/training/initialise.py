"""Initial weights of a dual encoder over frozen features: a closed-form linear solution instead of noise.

1. Image features are whitened, with a ridge.
2. The vector of a word is the mean of the whitened features of the images whose captions contain it, shrunk towards 0.
3. The leading singular directions of the word vectors span the shared space.

This is canonical correlation analysis that treats the covariance of the words as diagonal (cf. Gong et al., IJCV 2014, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIDGE = 1.0  # in units of the mean variance of the features
SHRINKAGE = 10.0  # captions of the average image that are added to the mean of each word
SINGULAR_POWER = 0.25  # directions are weighted by their singular value to this power
TABLE_DEVIATION = 0.05  # standard deviation of the embedding table
BLOCK = 256


@dataclass(frozen=True)
class Start:
    """Initial weights.

    Attributes:
        table: `(rows, d)` float32 embedding table; None for a head alone.
        weights: `(features, d)` float32 of the linear branch, for layer-normalised features.
        bias: `(d,)` float32 of the linear branch.
    """

    table: np.ndarray | None
    weights: np.ndarray
    bias: np.ndarray


def linear_start(features: np.ndarray, rows: np.ndarray, images: np.ndarray, known: int, table_rows: int, dimension: int) -> Start:
    """Solves for the embedding table and the image head.

    Args:
        features: `(n, f)` float32, layer-normalised.
        rows: `(captions, t)` int32 rows of the embedding table, 0 for none.
        images: `(captions,)` the row of `features` that each caption describes.
        known: Number of leading table rows that are known words. The rows after them, of trigrams, do not influence the shared space.
        table_rows: Number of rows of the embedding table.
        dimension: Dimension of the shared space.

    Returns:
        Embedding table and linear branch.
    """
    mean = features.mean(0)
    centred = features - mean
    whitening = decorrelating(centred)
    counts, sums = _sums_by_word(centred @ whitening, rows, images, table_rows)
    means = sums / (counts + SHRINKAGE)
    weighted = (sums / np.sqrt(counts + SHRINKAGE))[:known]
    strength, axes = np.linalg.eigh((weighted.T @ weighted).astype(np.float64))
    count = min(dimension, len(strength))
    singular = np.sqrt(np.maximum(strength[::-1][:count], 0))
    scale = ((singular / max(singular[0], 1e-12)) ** SINGULAR_POWER).astype(np.float32)
    basis = axes[:, ::-1][:, :count].astype(np.float32) * scale
    basis = np.pad(basis, ((0, 0), (0, dimension - count)))
    weights = whitening @ basis
    weights /= max(float((centred @ weights).std()), 1e-9)
    table = means @ basis
    table *= TABLE_DEVIATION / max(float(table[counts[:, 0] > 0].std()), 1e-9)
    return Start(table.astype(np.float32), weights.astype(np.float32), (-mean @ weights).astype(np.float32))


def _sums_by_word(whitened: np.ndarray, rows: np.ndarray, images: np.ndarray, table_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each word occurs, `(rows, 1)` float32, and the sums of the whitened features of its images, `(rows, f)` float32."""
    captions, places = np.nonzero(rows)
    words, seen_in = rows[captions, places], images[captions]
    counts = np.bincount(words, minlength=table_rows).astype(np.float32)[:, None]
    sums = np.zeros((table_rows, whitened.shape[1]), np.float32)
    order = np.argsort(words, kind="stable")
    starts = np.searchsorted(words[order], np.arange(table_rows + 1))
    for word in np.flatnonzero(counts[:, 0]):
        sums[word] = whitened[seen_in[order[starts[word] : starts[word + 1]]]].sum(0)
    return counts, sums


def paired_starts(images: np.ndarray, texts: np.ndarray, dimension: int) -> tuple[Start, Start]:
    """Solves for the heads of two frozen towers: canonical correlation analysis with a ridge (Hotelling, 1936; Vinod, 1976).

    Args:
        images: `(n, f)` float32 layer-normalised features of the image of each caption.
        texts: `(n, g)` float32 layer-normalised features of each caption.
        dimension: Dimension of the shared space.

    Returns:
        The initial weights of the image head and of the text head.
    """
    sides = [(features, features - features.mean(0)) for features in (images, texts)]
    whitenings = [decorrelating(centred) for _, centred in sides]
    whitened = [centred @ whitening for (_, centred), whitening in zip(sides, whitenings, strict=True)]
    left, strength, right = np.linalg.svd((whitened[0].T @ whitened[1] / len(images)).astype(np.float64), full_matrices=False)
    count = min(dimension, len(strength))
    scale = (strength[:count] / max(strength[0], 1e-12)) ** SINGULAR_POWER
    starts = []
    for (features, centred), whitening, axes in zip(sides, whitenings, (left[:, :count], right[:count].T), strict=True):
        weights = whitening @ np.pad((axes * scale).astype(np.float32), ((0, 0), (0, dimension - count)))
        weights /= max(float((centred @ weights).std()), 1e-9)
        starts.append(Start(None, weights, (-features.mean(0) @ weights).astype(np.float32)))
    return starts[0], starts[1]


def regressed_start(texts: np.ndarray, embeddings: np.ndarray) -> Start:
    """The initial weights of the head of a text tower in a space that is already chosen: ridge regression.

    Args:
        texts: `(n, g)` float32 layer-normalised features of each caption.
        embeddings: `(n, d)` float32 embeddings of the image of each caption.
    """
    mean = texts.mean(0)
    centred = texts - mean
    whitening = decorrelating(centred)
    weights = whitening @ (whitening.T @ (centred.T @ (embeddings - embeddings.mean(0)) / len(texts)))
    weights /= max(float((centred @ weights).std()), 1e-9)
    return Start(None, weights.astype(np.float32), (-mean @ weights).astype(np.float32))


def decorrelating(centred: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """The `(f, f)` float32 matrix that decorrelates centred features, with a ridge in units of their mean variance."""
    variance, directions = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
    return (directions / np.sqrt(np.maximum(variance, 0) + ridge * variance.mean() + 1e-12)).astype(np.float32)
