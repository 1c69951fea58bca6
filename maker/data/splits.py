"""Splits captions into training and validation, by file: no image, and no part of a recording, is in both splits."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from maker.data.caption import TRAIN, VALIDATION, Caption
from maker.errors import DataError
from task.format.moment import file_of

HELD_OUT_SHARE = 0.1
MAX_HELD_OUT = 1000


@dataclass(frozen=True)
class Splits:
    """The captions of both splits.

    Attributes:
        train: The captions for training.
        validation: The captions for measuring only.
        how: `official` if the file has splits, else `random`.
    """

    train: list[Caption]
    validation: list[Caption]
    how: str


def split_captions(captions: list[Caption], seed: int, path: Path) -> Splits:
    """Splits captions by the splits in the file. If it has no validation split, a random tenth of the images, at most 1,000, is held out.

    Captions of other splits than `train` are never trained on, nor are captions without a split in a file that has splits.

    Args:
        captions: All captions.
        seed: Seed of the random choice.
        path: The captions file, for errors.

    Raises:
        DataError: There are no captions to train on, or an image is in both splits.
    """
    has_splits = any(c.split for c in captions)
    train = [c for c in captions if c.split == TRAIN or not has_splits]
    validation = [c for c in captions if c.split == VALIDATION]
    if not train:
        present = ", ".join(sorted({c.split for c in captions if c.split}))
        raise DataError(f"{path}: no captions to train on; expected split 'train', found {present}")
    shared = {file_of(c.image) for c in train} & {file_of(c.image) for c in validation}
    if shared:
        raise DataError(f"{path}: {len(shared)} images are in both train and val, the first is {min(shared)}")
    if validation:
        return Splits(train, validation, "official")
    images = sorted({file_of(c.image) for c in train})
    count = min(MAX_HELD_OUT, int(len(images) * HELD_OUT_SHARE))
    held_out = set(random.Random(seed).sample(images, count))
    return Splits([c for c in train if file_of(c.image) not in held_out], [c for c in train if file_of(c.image) in held_out], "random")
