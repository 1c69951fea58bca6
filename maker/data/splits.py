"""Which captions train and which validate; always by image, so that no image is on both sides."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from maker.data.caption import TRAIN, VALIDATION, Caption
from maker.errors import DataError

HELD_OUT = 0.1
MOST_HELD_OUT = 1000


@dataclass(frozen=True)
class Splits:
    """Captions of the two sides.

    Attributes:
        train: What is trained on.
        validation: What is only measured on.
        how: `official` where the file said, else `random`.
    """

    train: list[Caption]
    validation: list[Caption]
    how: str


def split_captions(captions: list[Caption], seed: int, path: Path) -> Splits:
    """Splits as the file says; where it names no validation split, holds out a seeded tenth of the images, at most 1,000.

    Rows of another split than `train` never train; where the file has splits, rows without one do not either.

    Raises:
        DataError: Nothing is left to train on, or an image is in both splits.
    """
    has_splits = any(c.split for c in captions)
    train = [c for c in captions if c.split == TRAIN or not has_splits]
    validation = [c for c in captions if c.split == VALIDATION]
    if not train:
        held = ", ".join(sorted({c.split for c in captions if c.split}))
        raise DataError(f"{path}: no captions to train on; expected split 'train', found {held}")
    shared = {c.image for c in train} & {c.image for c in validation}
    if shared:
        raise DataError(f"{path}: {len(shared)} images are in both train and val, the first is {min(shared)}")
    if validation:
        return Splits(train, validation, "official")
    images = sorted({c.image for c in train})
    count = min(MOST_HELD_OUT, int(len(images) * HELD_OUT))
    held_out = set(random.Random(seed).sample(images, count))
    return Splits([c for c in train if c.image not in held_out], [c for c in train if c.image in held_out], "random")
