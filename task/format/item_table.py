"""The metadata of the items: a table of offsets and the bytes, so that one item is read without the others.

`items.offsets` holds `n + 1` little-endian uint32; item i is `items.bytes[offsets[i] : offsets[i + 1]]`.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from mmap import mmap

import numpy as np

OFFSETS, BYTES = "items.offsets", "items.bytes"
WIDTH = 4
ENDING = 12  # last bytes by which items are told apart before they are compared
LIMIT = (1 << 32) - 1
BOUNDS = struct.Struct("<II")  # the offsets of an item and of the next one


class ItemTableError(Exception):
    """The table cannot be written or read."""


def encode(items: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The contents of `items.offsets` and `items.bytes`.

    Raises:
        ItemTableError: The metadata exceed 4 GiB.
    """
    ends = np.cumsum([0, *map(len, items)], dtype=np.uint64)
    if ends[-1] > LIMIT:
        raise ItemTableError(f"the items' metadata take {int(ends[-1])} bytes, the table holds at most {LIMIT}")
    return ends.astype("<u4").tobytes(), b"".join(items)


class ItemTable:
    """Reads items in place from the content of a file."""

    def __init__(self, content: bytes | mmap, offsets: tuple[int, int], data: tuple[int, int]) -> None:
        """Checks the bounds of the table.

        Args:
            content: The whole file.
            offsets: `(offset, size)` of `items.offsets` in the file.
            data: `(offset, size)` of `items.bytes` in the file.

        Raises:
            ItemTableError: The sizes contradict each other.
        """
        self._content = content
        self._offsets_at, size = offsets
        self._data_at, self._data_size = data
        if size < WIDTH or size % WIDTH:
            raise ItemTableError(f"{OFFSETS} has {size} bytes, expected a multiple of {WIDTH}")
        self._count = size // WIDTH - 1
        (end,) = struct.unpack_from("<I", content, self._offsets_at + self._count * WIDTH)
        if end != self._data_size:
            raise ItemTableError(f"{OFFSETS} ends at {end}, but {BYTES} has {self._data_size} bytes")

    def __len__(self) -> int:
        """The number of items."""
        return self._count

    def __getitem__(self, item: int) -> bytes:
        """The metadata of an item in `[0, len)`.

        Raises:
            IndexError: The item does not exist.
            ItemTableError: The offsets are not ascending or exceed the file.
        """
        if not 0 <= item < self._count:
            raise IndexError(f"item {item} of {self._count}")
        start, end = BOUNDS.unpack_from(self._content, self._offsets_at + item * WIDTH)
        if not start <= end <= self._data_size:
            raise ItemTableError(f"{OFFSETS}: item {item} goes from {start} to {end} of {self._data_size}")
        return self._content[self._data_at + start : self._data_at + end]

    def find(self, wanted: Collection[bytes]) -> dict[int, bytes]:
        """The items whose metadata is one of `wanted`, ascending, by number.

        Raises:
            ItemTableError: The offsets are not ascending or exceed the file.
        """
        if not wanted:
            return {}
        # Copies: a view would keep the memory map of the file open.
        offsets = np.array(np.frombuffer(self._content, "<u4", self._count + 1, self._offsets_at), np.int64)
        lengths = np.diff(offsets)
        candidates = np.flatnonzero(np.isin(lengths, [len(content) for content in wanted]))
        if (lengths < 0).any():
            raise ItemTableError(f"{OFFSETS}: item {int(np.flatnonzero(lengths < 0)[0])} ends before it starts")
        data = np.frombuffer(self._content, np.uint8, int(offsets[-1]), self._data_at)
        for back in range(1, min(ENDING, min(map(len, wanted))) + 1):
            endings = data[offsets[candidates + 1] - back]
            candidates = candidates[np.isin(endings, [content[-back] for content in wanted])]
        del data
        chosen = frozenset(wanted)
        return {number: content for number in candidates.tolist() if (content := self[number]) in chosen}
