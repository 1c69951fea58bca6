"""Near-duplicate images on both sides of a split, which would make retrieval figures look better than they are."""

from __future__ import annotations

import numpy as np

from maker.data.splits import Splits
from task.vision.resize import resize

ROWS, COLUMNS = 8, 9
MAX_DIFFERENT = 2  # bits of 64, between near-duplicates
BLOCK, OTHERS_BLOCK = 256, 4096  # hashes compared at a time
BITS_OF_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.uint8)


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
        different, nearest = _nearest(validation_hashes[start : start + BLOCK], train_hashes)
        for row in np.flatnonzero(different <= MAX_DIFFERENT):
            pairs.append((validation[start + row], train[nearest[row]]))
    return pairs


def _nearest(hashes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least number of different bits from each hash to another, and which one that is: both `(hashes,)`; ties go to the lower one.

    Blocks bound the memory: 72 bytes per pair of hashes would be 1.5 GB for the images of COCO.
    """
    different, nearest = np.full(len(hashes), 65, np.uint8), np.zeros(len(hashes), np.int64)
    for start in range(0, len(others), OTHERS_BLOCK):
        bits = (hashes[:, None] ^ others[None, start : start + OTHERS_BLOCK])[..., None].view(np.uint8)
        counts = BITS_OF_BYTE[bits].sum(2, dtype=np.uint8)
        best = counts.argmin(1)
        least = counts[np.arange(len(hashes)), best]
        closer = least < different
        different[closer], nearest[closer] = least[closer], start + best[closer]
    return different, nearest
