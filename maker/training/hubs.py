"""Hub bias: images that resemble nearly every sentence lose a little against the others.

In spaces of many dimensions some items are near to most queries ("hubs"; Radovanović, Nanopoulos, Ivanović, JMLR 2010). The mean of an
image's largest similarities to training captions says how much of a hub it is (cf. cross-domain similarity local scaling; Conneau et al.,
ICLR 2018). A share of what exceeds the average is subtracted from its similarities. For that, image embeddings get one more dimension with
the bias, and sentences one with a constant, so that a dot product does it all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maker.encoders.layers import HubBias
from maker.graph.int8 import int8_table
from maker.training.joined import sums

BANK, NEAREST = 2048, 16  # captions to compare with, and how many of the largest similarities count
CONSTANT = 0.4  # of the added dimension of an average caption, relative to the norm of its others
TINY = 1e-9


def hub_bias(captions: np.ndarray, images: np.ndarray, strength: float, seed: int) -> HubBias:
    """The layer that appends the bias to unit-norm image embeddings.

    Args:
        captions: `(n, d)` float32 unit-norm embeddings of the training captions.
        images: `(m, d)` float32 unit-norm embeddings of the training images, over which the bias has a mean of 0.
        strength: The share of what exceeds the average that is subtracted.
        seed: Seed of the choice of captions.
    """
    chosen = np.random.default_rng(seed).permutation(len(captions))[:BANK]
    codes, scale = int8_table(captions[np.sort(chosen)])
    layer = HubBias(codes, scale, min(NEAREST, len(codes)), 0.0, strength / CONSTANT)
    return replace(layer, mean=float(layer.similarity(images).mean()))


def with_constant(table: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The embedding table of a `words` tower with one more column, so that its sentences meet the bias.

    The column is proportional to the norm of a row. A caption of many words has a larger constant than a single word has, because its words
    partly cancel out: single words need less of the bias.

    Args:
        table: `(rows, d)` float32.
        rows: `(captions, t)` int32 rows of the training captions.
        weights: `(captions, t)` float32 their weights.
    """
    column = np.linalg.norm(table, axis=1, keepdims=True)
    relative = sums(column, rows, weights)[:, 0] / np.maximum(np.linalg.norm(sums(table, rows, weights), axis=1), TINY)
    return np.concatenate([table, column * np.float32(CONSTANT / relative.mean())], axis=1).astype(np.float32)
