"""Which items of a searcher were trained on and which were held out, as the manifest keeps it (`report.splits`)."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption, select_split
from maker.data.image_names import ImageNames
from maker.data.splits import Splits
from maker.errors import DataError

HELD_OUT = "held-out"  # what --split calls the pictures that the build held out


@dataclass(frozen=True)
class ItemSplits:
    """The splits of the items.

    Attributes:
        trained_on: `(n,)` bool.
        held_out: `(n,)` bool. An item without captions is in neither.
        how: `official` if the captions file had splits, else `random`.
    """

    trained_on: np.ndarray
    held_out: np.ndarray
    how: str

    @classmethod
    def of(cls, splits: Splits, items: Sequence[str]) -> ItemSplits:
        """The splits of items by their names."""
        train, held_out = ({c.image for c in captions} for captions in (splits.train, splits.validation))
        return cls(np.array([name in train for name in items]), np.array([name in held_out for name in items]), splits.how)

    def encode(self) -> dict[str, str]:
        """The part of the manifest: a bit per item, compressed."""
        return {"how": self.how, "trained_on": _encode(self.trained_on), "held_out": _encode(self.held_out)}

    def renumbered(self, ids: np.ndarray) -> ItemSplits:
        """The splits of a searcher with the items `ids`, `(m,)`. Ids from n on were added, and are in neither split."""
        added = np.zeros(int((ids >= len(self.trained_on)).sum()), bool)
        kept = ids[ids < len(self.trained_on)]
        trained_on, held_out = (np.concatenate([bits[kept], added]) for bits in (self.trained_on, self.held_out))
        return ItemSplits(trained_on, held_out, self.how)

    @classmethod
    def decode(cls, report: Mapping[str, Any], items: int) -> ItemSplits | None:
        """Reads the `report` of a manifest; None if the file does not say."""
        splits = report.get("splits")
        if splits is None:
            return None
        return cls(_decode(splits["trained_on"], items), _decode(splits["held_out"], items), splits["how"])


@dataclass(frozen=True)
class ChosenCaptions:
    """Captions to search with.

    Attributes:
        captions: The captions. Images that are items have the names of the items.
        trained_on: How many of them are of pictures that the towers were trained on; None if the file does not say.
        split: The split that was chosen; None for all captions.
    """

    captions: list[Caption]
    trained_on: int | None
    split: str | None

    @property
    def origin(self) -> str:
        """What the captions are, in words."""
        if self.split == HELD_OUT or self.trained_on == 0:
            return "held-out captions"
        if self.trained_on is None:
            return "captions, of which the file does not say whether they were trained on"
        return f"captions, of which {self.trained_on} of {len(self.captions)} are of pictures that were trained on"


def choose_captions(
    captions: Sequence[Caption], split: str | None, path: Path, searcher: Path, items: Iterable[bytes], splits: ItemSplits | None
) -> ChosenCaptions:
    """Chooses the captions of a split.

    Args:
        captions: All captions.
        split: `held-out` for the pictures that the build held out; a split that the captions file names; or None for all captions.
        path: The captions file, for errors.
        searcher: The searcher, for errors.
        items: The items' metadata.
        splits: The splits of the items; None if the searcher does not say.

    Raises:
        DataError: There are no such captions.
    """
    numbers = {item.decode("utf-8", "surrogateescape"): number for number, item in enumerate(items)}
    names = ImageNames(numbers)
    named = [replace(caption, image=names.of(caption) or caption.image) for caption in captions]
    if split == HELD_OUT and splits is None:
        raise DataError(f"{searcher}: does not say which pictures were held out; name a split of {path} with --split")
    if split == HELD_OUT:
        assert splits is not None
        chosen = [c for c in named if c.image in numbers and splits.held_out[numbers[c.image]]]
        if not chosen:
            raise DataError(f"{path}: none of its captions is of a picture that the build of {searcher} held out")
    else:
        chosen = _of_split(named, split, path, splits)
    if splits is None:
        return ChosenCaptions(chosen, None, split)
    return ChosenCaptions(chosen, sum(bool(splits.trained_on[numbers[c.image]]) for c in chosen if c.image in numbers), split)


def _of_split(captions: list[Caption], split: str | None, path: Path, splits: ItemSplits | None) -> list[Caption]:
    try:
        return select_split(captions, split, path)
    except DataError as error:
        hint = f"; the build held out pictures at random: --split {HELD_OUT} takes them" if splits and splits.how == "random" else ""
        raise DataError(f"{error}{hint}") from error


def _encode(bits: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode()


def _decode(text: str, items: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8), count=items).astype(bool)
