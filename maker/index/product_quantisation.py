"""Product quantisation: codebooks over blocks of dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.index.kmeans import assign_leaves, train_centroids
from maker.index.options import ScoreAH, Tree

ENTRIES = 256  # codebook entries per block: a code is one byte


@dataclass(frozen=True)
class Codebooks:
    """A codebook per block of dimensions.

    Attributes:
        entries: `(blocks, entries, dimensions_per_block)` float32; the last block is padded with zeros if it is shorter.
        dimension: Dimension of the embeddings.
    """

    entries: np.ndarray
    dimension: int

    def blocks(self, embeddings: np.ndarray) -> np.ndarray:
        """Embeddings `(n, d)` as `(n, blocks, dimensions_per_block)` float32."""
        count, _, width = self.entries.shape
        padded = np.zeros((len(embeddings), count * width), np.float32)
        padded[:, : self.dimension] = embeddings
        return padded.reshape(len(embeddings), count, width)

    def encode(self, embeddings: np.ndarray) -> np.ndarray:
        """The nearest entry of each block, `(n, blocks)` uint8."""
        blocks = self.blocks(embeddings)
        return np.stack([assign_leaves(np.ascontiguousarray(blocks[:, b]), e) for b, e in enumerate(self.entries)], 1).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The embeddings that codes `(n, blocks)` stand for, `(n, d)` float32."""
        blocks = self.entries[np.arange(len(self.entries))[None], codes]
        return blocks.reshape(len(codes), -1)[:, : self.dimension]


def train_codebooks(embeddings: np.ndarray, score: ScoreAH, seed: int) -> Codebooks:
    """Trains a codebook per block of dimensions by k-means.

    With fewer than 256 embeddings, each embedding is an entry; Model Maker fails in this case.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        score: Block size, sample size and iterations.
        seed: Seeds the sample and the initialisation.
    """
    width = min(score.dimensions_per_block, embeddings.shape[1])
    count = -(-embeddings.shape[1] // width)
    rng = np.random.default_rng(seed)
    size = min(len(embeddings), score.training_sample_size)
    sample = np.asarray(embeddings[np.sort(rng.choice(len(embeddings), size, replace=False))], np.float32)
    empty = Codebooks(np.zeros((count, 1, width), np.float32), embeddings.shape[1])
    blocks = empty.blocks(sample)
    tree = Tree(min(ENTRIES, len(sample)), 1, training_sample_size=size, training_iterations=score.training_iterations)
    entries = [train_centroids(np.ascontiguousarray(blocks[:, b]), tree, seed + b, trainer="own")[0] for b in range(count)]
    return Codebooks(np.stack(entries), embeddings.shape[1])
