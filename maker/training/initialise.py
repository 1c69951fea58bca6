"""Starts a frozen-features dual encoder from a linear solution instead of noise.

Image features are whitened with a ridge; a word's vector is the shrunk mean of the whitened features of the images that its captions
describe; the leading singular directions of the words' vectors become the shared space. It is canonical correlation analysis with the
words' covariance taken as diagonal (cf. Gong et al., IJCV 2014, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIDGE = 1.0  # of the features' mean variance
SHRINKAGE = 10.0  # captions' worth of the average image in a word's mean
SINGULAR_POWER = 0.25  # how much more the leading directions count
SPREAD = 0.05  # standard deviation of the embedding table
BLOCK = 256


@dataclass(frozen=True)
class Start:
    """Initial values.

    Attributes:
        table: `(rows, d)` float32; None for a head alone.
        weights: `(features, d)` float32, for layer-normalised features.
        bias: `(d,)` float32.
    """

    table: np.ndarray | None
    weights: np.ndarray
    bias: np.ndarray


def linear_start(features: np.ndarray, rows: np.ndarray, images: np.ndarray, known: int, table_rows: int, dimension: int) -> Start:
    """Solves for words and images.

    Args:
        features: `(n, f)` float32, layer-normalised.
        rows: `(captions, t)` int32 rows of the embedding table, 0 for none.
        images: `(captions,)` the row of `features` that each caption describes.
        known: Rows of the embedding table that stand for known words; those behind them, of trigrams, do not shape the space.
        table_rows: Rows of the embedding table.
        dimension: Of the shared space.
    """
    mean = features.mean(0)
    centred = features - mean
    whitening = _whitening(centred)
    codes = centred @ whitening
    captions, places = np.nonzero(rows)
    words, seen_in = rows[captions, places], images[captions]
    counts = np.bincount(words, minlength=table_rows).astype(np.float32)[:, None]
    sums = np.zeros((table_rows, codes.shape[1]), np.float32)
    order = np.argsort(words, kind="stable")
    starts = np.searchsorted(words[order], np.arange(table_rows + 1))
    for word in np.flatnonzero(counts[:, 0]):
        sums[word] = codes[seen_in[order[starts[word] : starts[word + 1]]]].sum(0)
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
    table *= SPREAD / max(float(table[counts[:, 0] > 0].std()), 1e-9)
    return Start(table.astype(np.float32), weights.astype(np.float32), (-mean @ weights).astype(np.float32))


def paired_starts(images: np.ndarray, texts: np.ndarray, dimension: int) -> tuple[Start, Start]:
    """Solves for the heads of two frozen towers: canonical correlation analysis with a ridge (Hotelling, 1936; Vinod, 1976).

    Args:
        images: `(n, f)` float32 layer-normalised features, a row a caption.
        texts: `(n, g)` float32 layer-normalised features of the captions.
        dimension: Of the shared space.

    Returns:
        The starts of the image's and of the text's head.
    """
    sides = [(features, features - features.mean(0)) for features in (images, texts)]
    whitenings = [_whitening(centred) for _, centred in sides]
    codes = [centred @ whitening for (_, centred), whitening in zip(sides, whitenings, strict=True)]
    left, strength, right = np.linalg.svd((codes[0].T @ codes[1] / len(images)).astype(np.float64), full_matrices=False)
    count = min(dimension, len(strength))
    scale = (strength[:count] / max(strength[0], 1e-12)) ** SINGULAR_POWER
    starts = []
    for (features, centred), whitening, axes in zip(sides, whitenings, (left[:, :count], right[:count].T), strict=True):
        weights = whitening @ np.pad((axes * scale).astype(np.float32), ((0, 0), (0, dimension - count)))
        weights /= max(float((centred @ weights).std()), 1e-9)
        starts.append(Start(None, weights, (-features.mean(0) @ weights).astype(np.float32)))
    return starts[0], starts[1]


def _whitening(centred: np.ndarray) -> np.ndarray:
    """`(f, f)` float32: what makes features uncorrelated, with a ridge."""
    variance, directions = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
    return (directions / np.sqrt(np.maximum(variance, 0) + RIDGE * variance.mean() + 1e-12)).astype(np.float32)
