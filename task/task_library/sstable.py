"""The sorted string table of LevelDB, as one file, in which the Task Library stores an index.

Entries are in blocks of about 4 KiB, with ascending keys that share prefixes. After a block come a type byte and the masked CRC-32C of
both. An index block has the last key of each block, and a footer of 48 bytes has the position of the index block. A long value has its own
block.
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
from .sstable_block import Block, BlockError, BlockWriter, shared_prefix

BLOCK_BYTES = 4096  # a block ends when it reaches this size
RESTART_INTERVAL = 16  # entries between two complete keys
TRAILER = struct.Struct("<BI")  # type and masked CRC
RAW, SNAPPY = 0, 1
FOOTER_BYTES = 48
MAGIC = bytes.fromhex("57fb808b247547db")
CACHE_BYTES = 64 << 20  # of decompressed blocks that a reader caches

Compress = Callable[[bytes], bytes]


class SSTableError(Exception):
    """The table is damaged, or its keys are not ascending."""


def encode(entries: Iterable[tuple[bytes, bytes]], compress: Compress | None = None) -> bytes:
    """Encodes a table; the arguments are those of `write`."""
    target = io.BytesIO()
    write(entries, target, compress)
    return target.getvalue()


def write(entries: Iterable[tuple[bytes, bytes]], target: IO[bytes], compress: Compress | None = None) -> int:
    """Writes a table.

    Args:
        entries: Keys, strictly ascending, and their values.
        target: The file to write to.
        compress: A compressor for the raw format of Snappy, such as `snappy.compress`. Blocks that it reduces by less than an eighth are
            stored uncompressed.

    Returns:
        The number of bytes written.

    Raises:
        SSTableError: The keys are not strictly ascending.
    """
    position = 0

    def put(content: bytes) -> bytes:
        """Writes a block; returns its handle."""
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

    block, index = BlockWriter(RESTART_INTERVAL), BlockWriter(1)
    last: bytes | None = None
    handle: bytes | None = None  # of the previous block; its separator depends on the next key
    for key, value in entries:
        if last is not None and key <= last:
            raise SSTableError(f"the key {key!r} comes after {last!r}; keys have to ascend")
        if handle is not None and last is not None:
            index.add(_separator(last, key), handle)
            handle = None
        block.add(key, value)
        last = key
        if block.size >= BLOCK_BYTES:
            handle, block = put(block.finish()), BlockWriter(RESTART_INTERVAL)
    if not block.empty:
        handle = put(block.finish())
    metaindex = put(BlockWriter(RESTART_INTERVAL).finish())
    if handle is not None and last is not None:
        index.add(_successor(last), handle)
    footer = (metaindex + put(index.finish())).ljust(FOOTER_BYTES - len(MAGIC), b"\0") + MAGIC
    target.write(footer)
    return position + len(footer)


class SSTable:
    """Reads a table in place; thread-safe. A block is checked when it is first read."""

    def __init__(self, content: bytes | mmap, offset: int = 0, size: int | None = None) -> None:
        """Reads the footer and the index block.

        Args:
            content: The file that contains the table.
            offset: Offset of the table in bytes.
            size: Size of the table in bytes; None for the rest of `content`.

        Raises:
            SSTableError: The content is not a table, or its index block is damaged.
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
            self._index = Block(self._read(_handle(footer, at)[0]))
        except (SSTableError, BlockError) as error:
            self.close()
            raise SSTableError(str(error)) from error

    def __getitem__(self, key: bytes) -> memoryview:
        """The value of a key; not a copy if its block is not compressed.

        Raises:
            KeyError: The key does not exist.
            SSTableError: A block is damaged.
        """
        try:
            where = self._index.seek(key)
            found = None if where is None else Block(self._read(_handle(where[1], 0)[0])).seek(key)
        except BlockError as error:
            raise SSTableError(str(error)) from error
        if found is None or found[0] != key:
            raise KeyError(key)
        return found[1]

    def __iter__(self) -> Iterator[tuple[bytes, memoryview]]:
        """All entries, in order. It raises the errors of `__getitem__`."""
        try:
            for _, where in self._index:
                yield from Block(self._read(_handle(where, 0)[0]))
        except BlockError as error:
            raise SSTableError(str(error)) from error

    def close(self) -> None:
        """Releases the content."""
        self._view = memoryview(b"")
        self._index = Block(memoryview(BlockWriter(1).finish()))
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
        """Caches a decompressed block, and drops the least recently used ones."""
        with self._lock:
            if start not in self._unpacked:
                self._unpacked[start] = content
                self._unpacked_bytes += len(content)
            while self._unpacked_bytes > CACHE_BYTES and len(self._unpacked) > 1:
                self._unpacked_bytes -= len(self._unpacked.popitem(last=False)[1])


def _handle(content: bytes | memoryview, at: int) -> tuple[tuple[int, int], int]:
    """Decodes the start and size of a block. Returns them with the offset after them."""
    try:
        start, at = varint.decode(content, at)
        size, at = varint.decode(content, at)
    except varint.VarintError as error:
        raise SSTableError(f"bad block handle ({error})") from error
    return (start, size), at


def _separator(last: bytes, following: bytes) -> bytes:
    """A short key in `[last, following)`."""
    at = shared_prefix(last, following)
    if at < min(len(last), len(following)) and last[at] < 255 and last[at] + 1 < following[at]:
        return last[:at] + bytes([last[at] + 1])
    return last


def _successor(last: bytes) -> bytes:
    """A short key not below `last`."""
    for at, byte in enumerate(last):
        if byte < 255:
            return last[:at] + bytes([byte + 1])
    return last
