"""Near-identical pictures on both sides of a split, which would make retrieval figures flatter."""

from __future__ import annotations

import numpy as np

from maker.data.splits import Splits
from task.vision.resize import resize

ROWS, COLUMNS = 8, 9
NEAR = 2  # bits of 64
BLOCK = 256


def difference_hash(pixels: np.ndarray) -> np.uint64:
    """A perceptual hash: whether each of 8 x 8 regions is brighter than the one to its right (dHash; Krawetz, 2013).

    Args:
        pixels: `(height, width, 3)` uint8.
    """
    grey = resize(pixels, ROWS, COLUMNS).astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    bits = (grey[:, :-1] > grey[:, 1:]).ravel()
    return np.packbits(bits).view(np.uint64)[0]


def across_splits(splits: Splits, hashes: dict[str, int]) -> list[tuple[str, str]]:
    """Pairs of a validation image and a training image that look alike.

    Args:
        splits: The captions of both sides.
        hashes: Perceptual hash of each image; images without one are left out, and so are flat ones, whose hash says nothing.

    Returns:
        `(validation image, training image)`, at most one pair a validation image.
    """
    train = sorted({c.image for c in splits.train if hashes.get(c.image)})
    validation = sorted({c.image for c in splits.validation if hashes.get(c.image)})
    if not train or not validation:
        return []
    known = np.array([hashes[image] for image in train], np.uint64)
    asked = np.array([hashes[image] for image in validation], np.uint64)
    pairs = []
    for start in range(0, len(asked), BLOCK):
        different = np.unpackbits((asked[start : start + BLOCK, None] ^ known[None])[..., None].view(np.uint8), axis=2).sum(2)
        for row, column in enumerate(different.argmin(1)):
            if different[row, column] <= NEAR:
                pairs.append((validation[start + row], train[column]))
    return pairs
