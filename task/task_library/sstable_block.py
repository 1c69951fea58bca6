"""A block of a sorted string table: entries whose keys share prefixes, and restarts, where a key is complete."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from . import varint


class BlockError(Exception):
    """The block is damaged."""


class BlockWriter:
    """Builds a block."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._content = bytearray()
        self._restarts = [0]
        self._count = 0  # since the last restart
        self.last = b""

    @property
    def empty(self) -> bool:
        """Whether there are no entries."""
        return not self._content

    @property
    def size(self) -> int:
        """The size of the block with the current entries, in bytes."""
        return len(self._content) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        """Appends an entry."""
        shared = 0
        if self._count < self._interval:
            shared = shared_prefix(self.last, key)
        else:
            self._restarts.append(len(self._content))
            self._count = 0
        for length in (shared, len(key) - shared, len(value)):
            self._content += varint.encode(length)
        self._content += key[shared:]
        self._content += value
        self._count += 1
        self.last = key

    def finish(self) -> bytes:
        """Encodes the block."""
        return bytes(self._content) + struct.pack(f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts))


class Block:
    """Finds entries of a block by binary search over the restarts."""

    def __init__(self, content: memoryview) -> None:
        if len(content) < 4:
            raise BlockError(f"a block has {len(content)} bytes, expected at least 4")
        (self._restarts,) = struct.unpack_from("<I", content, len(content) - 4)
        self._end = len(content) - 4 - 4 * self._restarts
        if self._end < 0:
            raise BlockError(f"a block of {len(content)} bytes has {self._restarts} restarts")
        self._content = content
        self._keys: dict[int, bytes] = {}

    def seek(self, key: bytes) -> tuple[bytes, memoryview] | None:
        """The first entry with a key of at least `key`; None if there is none."""
        low, high = 0, self._restarts - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._whole_key(middle) < key:
                low = middle
            else:
                high = middle - 1
        for found in self._from(self._restart(low) if self._restarts else self._end):
            if found[0] >= key:
                return found
        return None

    def __iter__(self) -> Iterator[tuple[bytes, memoryview]]:
        return self._from(0)

    def _from(self, at: int) -> Iterator[tuple[bytes, memoryview]]:
        key = b""
        while at < self._end:
            key, value, at = self._entry(at, key)
            yield key, value

    def _whole_key(self, number: int) -> bytes:
        """The key at a restart, cached: every search reads the middle ones."""
        if number not in self._keys:
            self._keys[number] = self._entry(self._restart(number), b"")[0]
        return self._keys[number]

    def _restart(self, number: int) -> int:
        return int(struct.unpack_from("<I", self._content, self._end + 4 * number)[0])

    def _entry(self, at: int, previous: bytes) -> tuple[bytes, memoryview, int]:
        """The entry at an offset, and the offset after it."""
        content = self._content
        shared = rest = size = 128
        if at + 3 <= self._end:
            shared, rest, size = content[at : at + 3]
        if shared | rest | size < 128:  # the usual case: one byte each
            at += 3
        else:
            try:
                shared, at = varint.decode(content, at)
                rest, at = varint.decode(content, at)
                size, at = varint.decode(content, at)
            except varint.VarintError as error:
                raise BlockError(f"a block's entry is damaged ({error})") from error
        value_at, end = at + rest, at + rest + size
        if shared > len(previous) or end > self._end:
            raise BlockError(f"a block's entry shares {shared} of {len(previous)} bytes and ends at {end} of {self._end}")
        return previous[:shared] + bytes(content[at:value_at]), content[value_at:end], end


def shared_prefix(a: bytes, b: bytes) -> int:
    """The number of equal bytes at the start of both."""
    limit = min(len(a), len(b))
    for i in range(limit):
        if a[i] != b[i]:
            return i
    return limit
