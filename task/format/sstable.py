"""LevelDB's sorted string table, as one file: what the Task Library keeps an index in.

Entries lie in blocks of about 4 KiB, keys ascending and sharing prefixes. A block is followed by a type byte and the masked CRC-32C of
both. An index block says at which key each block ends; a footer of 48 bytes says where the index block is. A long value is a block by
itself.
"""

from __future__ import annotations

import io
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from mmap import mmap
from typing import IO

from . import snappy, varint
from .crc32c import crc32c, mask, unmask

BLOCK_BYTES = 4096  # a block is closed when it has grown to this
RESTART_INTERVAL = 16  # entries from one whole key to the next
TRAILER = struct.Struct("<BI")  # type and masked CRC
RAW, SNAPPY = 0, 1
FOOTER_BYTES = 48
MAGIC = bytes.fromhex("57fb808b247547db")
CACHE_BYTES = 64 << 20  # of unpacked blocks that a reader keeps

Compress = Callable[[bytes], bytes]


class SSTableError(Exception):
    """The table is damaged, or its entries are not in order."""


def encode(entries: Iterable[tuple[bytes, bytes]], compress: Compress | None = None) -> bytes:
    """A table's bytes; the arguments are those of `write`."""
    target = io.BytesIO()
    write(entries, target, compress)
    return target.getvalue()


def write(entries: Iterable[tuple[bytes, bytes]], target: IO[bytes], compress: Compress | None = None) -> int:
    """Writes a table.

    Args:
        entries: Keys, strictly ascending, and their values.
        target: Where.
        compress: Snappy's raw format, such as `snappy.compressor()`; used for blocks that it makes smaller by more than an eighth.

    Returns:
        The number of bytes written.

    Raises:
        SSTableError: The keys are not strictly ascending.
    """
    position = 0

    def put(content: bytes) -> bytes:
        """Writes a block and returns its handle."""
        nonlocal position
        kind = RAW
        if compress is not None:
            packed = compress(content)
            if len(packed) < len(content) - len(content) // 8:
                content, kind = packed, SNAPPY
        start, size = position, len(content)
        target.write(content)
        target.write(TRAILER.pack(kind, mask(crc32c(content + bytes([kind])))))
        position += size + TRAILER.size
        return varint.encode(start) + varint.encode(size)

    block, index = _BlockWriter(RESTART_INTERVAL), _BlockWriter(1)
    last: bytes | None = None
    handle: bytes | None = None  # of a block whose end key waits for the next block's first key
    for key, value in entries:
        if last is not None and key <= last:
            raise SSTableError(f"the key {key!r} comes after {last!r}; keys have to ascend")
        if handle is not None and last is not None:
            index.add(_separator(last, key), handle)
            handle = None
        block.add(key, value)
        last = key
        if block.size >= BLOCK_BYTES:
            handle, block = put(block.finish()), _BlockWriter(RESTART_INTERVAL)
    if block.last:
        handle = put(block.finish())
    metaindex = put(_BlockWriter(RESTART_INTERVAL).finish())
    if handle is not None and last is not None:
        index.add(_successor(last), handle)
    footer = (metaindex + put(index.finish())).ljust(FOOTER_BYTES - len(MAGIC), b"\0") + MAGIC
    target.write(footer)
    return position + len(footer)


class SSTable:
    """Reads a table in place; a block is checked when it is first read. Safe to use from several threads."""

    def __init__(self, content: bytes | mmap, offset: int = 0, size: int | None = None) -> None:
        """Reads the footer and the index block.

        Args:
            content: What holds the table.
            offset: Where it starts.
            size: Its bytes; to the end of `content` where None.

        Raises:
            SSTableError: It is no table, or its index block is damaged.
        """
        self._view = memoryview(content)[offset : len(content) if size is None else offset + size]
        self._verified: set[int] = set()
        self._unpacked: OrderedDict[int, memoryview] = OrderedDict()
        self._unpacked_bytes = 0
        self._lock = threading.Lock()
        try:
            if len(self._view) < FOOTER_BYTES:
                raise SSTableError("file is too short to be an sstable")
            footer = bytes(self._view[-FOOTER_BYTES:])
            if not footer.endswith(MAGIC):
                raise SSTableError("not an sstable (bad magic number)")
            _, at = _handle(footer, 0)
            self._index = _Block(self._read(_handle(footer, at)[0]))
        except SSTableError:
            self.close()
            raise

    def __getitem__(self, key: bytes) -> memoryview:
        """The value of a key, in place where its block is not compressed.

        Raises:
            KeyError: There is no such key.
            SSTableError: A block on the way to it is damaged.
        """
        where = self._index.seek(key)
        if where is None:
            raise KeyError(key)
        found = _Block(self._read(_handle(where[1], 0)[0])).seek(key)
        if found is None or found[0] != key:
            raise KeyError(key)
        return found[1]

    def __iter__(self) -> Iterator[tuple[bytes, memoryview]]:
        """All entries, in order; raises as `__getitem__` does."""
        for _, where in self._index:
            yield from _Block(self._read(_handle(where, 0)[0]))

    def close(self) -> None:
        """Lets go of the content."""
        self._view = memoryview(b"")
        self._index = _Block(memoryview(_BlockWriter(1).finish()))
        with self._lock:
            self._unpacked.clear()
            self._unpacked_bytes = 0

    def _read(self, handle: tuple[int, int]) -> memoryview:
        start, size = handle
        with self._lock:
            if start in self._unpacked:
                self._unpacked.move_to_end(start)
                return self._unpacked[start]
        end = start + size
        if end + TRAILER.size > len(self._view) - FOOTER_BYTES:
            raise SSTableError(f"the block at {start} of {size} bytes reaches beyond the end")
        kind, stored = TRAILER.unpack_from(self._view, end)
        if start not in self._verified:
            if crc32c(self._view[start : end + 1]) != unmask(stored):
                raise SSTableError(f"the block at {start} of {size} bytes does not match its CRC-32C")
            self._verified.add(start)
        if kind == RAW:
            return self._view[start:end]
        if kind != SNAPPY:
            raise SSTableError(f"the block at {start} has compression type {kind}, expected {RAW} or {SNAPPY}")
        try:
            content = memoryview(snappy.decompress(self._view[start:end]))
        except snappy.SnappyError as error:
            raise SSTableError(f"the block at {start}: {error}") from error
        self._keep(start, content)
        return content

    def _keep(self, start: int, content: memoryview) -> None:
        """Remembers an unpacked block and forgets those not used for longest."""
        with self._lock:
            if start not in self._unpacked:
                self._unpacked[start] = content
                self._unpacked_bytes += len(content)
            while self._unpacked_bytes > CACHE_BYTES and len(self._unpacked) > 1:
                self._unpacked_bytes -= len(self._unpacked.popitem(last=False)[1])


class _BlockWriter:
    """A block under construction."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._content = bytearray()
        self._restarts = [0]
        self._count = 0  # since the last restart
        self.last = b""

    @property
    def size(self) -> int:
        """Bytes that the block would take if it were closed now."""
        return len(self._content) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        """Appends an entry."""
        shared = 0
        if self._count < self._interval:
            shared = _shared(self.last, key)
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
        """The block's bytes."""
        return bytes(self._content) + struct.pack(f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts))


class _Block:
    """A block's entries, found by binary search over the restarts."""

    def __init__(self, content: memoryview) -> None:
        if len(content) < 4:
            raise SSTableError(f"a block has {len(content)} bytes, expected at least 4")
        (self._restarts,) = struct.unpack_from("<I", content, len(content) - 4)
        self._end = len(content) - 4 - 4 * self._restarts
        if self._end < 0:
            raise SSTableError(f"a block of {len(content)} bytes has {self._restarts} restarts")
        self._content = content

    def seek(self, key: bytes) -> tuple[bytes, memoryview] | None:
        """The first entry whose key is not below `key`; None where all are."""
        low, high = 0, self._restarts - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self._entry(self._restart(middle), b"")[0] < key:
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

    def _restart(self, number: int) -> int:
        return int(struct.unpack_from("<I", self._content, self._end + 4 * number)[0])

    def _entry(self, at: int, previous: bytes) -> tuple[bytes, memoryview, int]:
        """The entry at a place, and the place after it."""
        content = self._content
        lengths = content[at : at + 3] if at <= self._end else b""
        if len(lengths) == 3 and max(lengths) < 128:
            shared, rest, size = lengths
            at += 3
        else:
            try:
                shared, at = varint.decode(content, at)
                rest, at = varint.decode(content, at)
                size, at = varint.decode(content, at)
            except varint.VarintError as error:
                raise SSTableError(f"a block's entry is damaged ({error})") from error
        value_at, end = at + rest, at + rest + size
        if shared > len(previous) or end > self._end:
            raise SSTableError(f"a block's entry shares {shared} of {len(previous)} bytes and ends at {end} of {self._end}")
        return previous[:shared] + bytes(content[at:value_at]), content[value_at:end], end


def _handle(content: bytes | memoryview, at: int) -> tuple[tuple[int, int], int]:
    """A block's start and size, and the place after them."""
    try:
        start, at = varint.decode(content, at)
        size, at = varint.decode(content, at)
    except varint.VarintError as error:
        raise SSTableError(f"bad block handle ({error})") from error
    return (start, size), at


def _shared(a: bytes, b: bytes) -> int:
    """How many bytes at the start are the same."""
    limit = min(len(a), len(b))
    for i in range(limit):
        if a[i] != b[i]:
            return i
    return limit


def _separator(last: bytes, following: bytes) -> bytes:
    """A short key in `[last, following)`."""
    at = _shared(last, following)
    if at < min(len(last), len(following)) and last[at] < 255 and last[at] + 1 < following[at]:
        return last[:at] + bytes([last[at] + 1])
    return last


def _successor(last: bytes) -> bytes:
    """A short key not below `last`."""
    for at, byte in enumerate(last):
        if byte < 255:
            return last[:at] + bytes([byte + 1])
    return last
