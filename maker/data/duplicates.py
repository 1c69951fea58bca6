"""Near-duplicate images on both sides of a split, which would make retrieval figures look better than they are."""

from __future__ import annotations

import numpy as np

from maker.data.splits import Splits
from task.vision.resize import resize

ROWS, COLUMNS = 8, 9
MAX_DIFFERENT = 2  # bits of 64, between near-duplicates
BLOCK = 256


def difference_hash(pixels: np.ndarray) -> np.uint64:
    """A perceptual hash of 64 bits: whether each of 8 x 8 regions is brighter than the one to its right (dHash; Krawetz, 2013).

    Args:
        pixels: `(height, width, 3)` uint8.
    """
    grey = resize(pixels, ROWS, COLUMNS).astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    bits = (grey[:, :-1] > grey[:, 1:]).ravel()
    return np.packbits(bits).view(np.uint64)[0]


def near_duplicates(splits: Splits, hashes: dict[str, int]) -> list[tuple[str, str]]:
    """Finds validation images that look like a training image.

    Args:
        splits: The captions of both splits.
        hashes: Perceptual hash of each image. Images without a hash are ignored, and so are flat images, whose hash is 0.

    Returns:
        `(validation image, training image)`, at most one pair per validation image.
    """
    train = sorted({c.image for c in splits.train if hashes.get(c.image)})
    validation = sorted({c.image for c in splits.validation if hashes.get(c.image)})
    if not train or not validation:
        return []
    train_hashes = np.array([hashes[image] for image in train], np.uint64)
    validation_hashes = np.array([hashes[image] for image in validation], np.uint64)
    pairs = []
    for start in range(0, len(validation_hashes), BLOCK):
        bits = validation_hashes[start : start + BLOCK, None] ^ train_hashes[None]
        different = np.unpackbits(bits[..., None].view(np.uint8), axis=2).sum(2)
        for row, column in enumerate(different.argmin(1)):
            if different[row, column] <= MAX_DIFFERENT:
                pairs.append((validation[start + row], train[column]))
    return pairs
