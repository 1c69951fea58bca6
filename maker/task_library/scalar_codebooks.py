"""Codebooks of single dimensions. With sorting, they are trained and applied faster than with matrix products."""

from __future__ import annotations

import numpy as np

from maker.index import product_quantisation
from maker.index.options import ScoreAH

ENTRIES = product_quantisation.ENTRIES
SEGMENTS = 1024  # of the density of the values


def train(embeddings: np.ndarray, score: ScoreAH, seed: int) -> list[np.ndarray]:
    """Trains one codebook per dimension by one-dimensional k-means, `(256, 1)` float32 each, with ascending entries.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        score: Sample size and iterations.
        seed: Seed of the sample.
    """
    rng = np.random.default_rng(seed)
    size = min(len(embeddings), score.training_sample_size)
    sample = np.asarray(embeddings[np.sort(rng.choice(len(embeddings), size, replace=False))], np.float32)
    return [_codebook(np.sort(column), score.training_iterations)[:, None] for column in np.ascontiguousarray(sample.T)]


def encode(embeddings: np.ndarray, books: list[np.ndarray]) -> np.ndarray:
    """The nearest entry in the codebook of each dimension, `(n, d)` uint8; ties go to the lower entry."""
    codes = np.empty(embeddings.shape, np.uint8)
    for d, book in enumerate(books):
        codes[:, d] = np.searchsorted(_borders(book[:, 0]), embeddings[:, d], side="left")
    return codes


def _borders(entries: np.ndarray) -> np.ndarray:
    return (entries[1:] + entries[:-1]) / 2


def _codebook(ascending: np.ndarray, iterations: int) -> np.ndarray:
    """Lloyd's iterations. An entry that is nearest to no value does not move.

    The initial density of entries is proportional to the cube root of the density of values (Panter, Dite, Proc. IRE 1951): the number
    of entries between two quantiles with distance w is proportional to w^(2/3).
    """
    sums = np.concatenate([[0.0], np.cumsum(ascending, dtype=np.float64)])
    quantiles = np.quantile(ascending, np.linspace(0, 1, SEGMENTS + 1))
    masses = np.concatenate([[0.0], np.cumsum(np.diff(quantiles) ** (2 / 3))])
    wanted = (np.arange(ENTRIES) + 0.5) / ENTRIES * masses[-1]
    entries = np.interp(wanted, masses, quantiles).astype(np.float32)
    for _ in range(iterations):
        cuts = np.concatenate([[0], np.searchsorted(ascending, _borders(entries), side="right"), [len(ascending)]])
        counts = np.diff(cuts)
        means = np.diff(sums[cuts]) / np.maximum(counts, 1)
        entries = np.sort(np.where(counts > 0, means, entries).astype(np.float32))
    return entries
