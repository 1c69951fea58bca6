"""The raw format of Snappy, with which LevelDB compresses blocks: a length, then literals and copies of earlier bytes."""

from __future__ import annotations

import numpy as np

from . import varint

LITERAL, COPY_1, COPY_2, COPY_4 = range(4)  # the low two bits of a tag
MAX_BYTES = 1 << 32
FRAGMENT = 1 << 16  # bytes compressed independently
MIN_TABLE, MAX_TABLE = 1 << 8, 1 << 14  # size of the table of positions
MARGIN = 15  # bytes at the end of a fragment in which no match is searched
HASH = 0x1E35A7BD
SKIP = 32  # 32nds of a byte to the next search


class SnappyError(Exception):
    """The content is not valid Snappy."""


def compress(content: bytes) -> bytes:
    """Compresses a block. A table holds the last position of each four bytes; without matches, the search takes longer steps.

    The choices are those of Google's library, so that the bytes are those that the Task Library's index builder writes; `tests/conformance`
    compares them.
    """
    result = bytearray(varint.encode(len(content)))
    for start in range(0, len(content), FRAGMENT):
        _compress_fragment(content[start : start + FRAGMENT], result)
    return bytes(result)


def _compress_fragment(content: bytes, result: bytearray) -> None:
    size = min(max(1 << (len(content) - 1).bit_length(), MIN_TABLE), MAX_TABLE)
    shift = 33 - size.bit_length()
    table = [0] * size
    words = np.lib.stride_tricks.sliding_window_view(np.frombuffer(content, np.uint8), 4) if len(content) >= MARGIN else np.empty((0, 4))
    keys = np.ascontiguousarray(words).astype(np.uint8).view("<u4").reshape(-1)
    hashes = (keys * np.uint32(HASH) >> np.uint32(shift)).tolist()
    seen = keys.tolist()
    written, at, limit = 0, 1, len(content) - MARGIN
    skip = SKIP
    while at <= limit:
        candidate, table[hashes[at]] = table[hashes[at]], at
        if seen[candidate] != seen[at]:
            if at == written:  # immediately after a copy
                at += 1
            else:
                at += skip >> 5
                skip += skip >> 5
            continue
        _literal(content[written:at], result)
        length = 4
        while at + length < len(content) and content[candidate + length] == content[at + length]:
            length += 1
        _copy(at - candidate, length, result)
        at += length
        written, skip = at, SKIP
        if at <= limit:
            table[hashes[at - 1]] = at - 1
    if written < len(content):
        _literal(content[written:], result)


def _literal(content: bytes, result: bytearray) -> None:
    size = len(content) - 1
    if size < 0:
        return
    if size < 60:
        result.append(size << 2 | LITERAL)
    else:
        width = (size.bit_length() + 7) // 8
        result.append((59 + width) << 2 | LITERAL)
        result += size.to_bytes(width, "little")
    result += content


def _copy(offset: int, length: int, result: bytearray) -> None:
    while length > 0:
        part = length if length <= 64 else 64 if length >= 68 else 60  # the rest has at least 4 bytes
        if part < 12 and offset < 2048:
            result.append(offset >> 8 << 5 | (part - 4) << 2 | COPY_1)
            result.append(offset & 255)
        else:
            result.append((part - 1) << 2 | COPY_2)
            result += offset.to_bytes(2, "little")
        length -= part


def decompress(content: bytes | memoryview) -> bytes:
    """Decompresses a block.

    Raises:
        SnappyError: The block is damaged.
    """
    content = bytes(content)
    try:
        size, at = varint.decode(content, 0)
    except varint.VarintError as error:
        raise SnappyError(f"there is no length ({error})") from error
    if size >= MAX_BYTES:
        raise SnappyError(f"the length is {size}, Snappy holds less than {MAX_BYTES}")
    result = bytearray()
    end = len(content)
    while at < end:
        tag = content[at]
        kind, high = tag & 3, tag >> 2
        at += 1
        if kind == LITERAL:
            length = high + 1
            if high >= 60:  # the length is in the next 1 to 4 bytes
                extra = high - 59
                length = int.from_bytes(content[at : at + extra], "little") + 1
                at += extra
            result += content[at : at + length]
            at += length
            if at > end:
                raise SnappyError(f"a literal of {length} bytes reaches {at - end} beyond the end")
        else:
            if kind == COPY_1:
                length, offset = (high & 7) + 4, (high >> 3) << 8 | int.from_bytes(content[at : at + 1], "little")
                at += 1
            else:
                width = 2 if kind == COPY_2 else 4
                length, offset = high + 1, int.from_bytes(content[at : at + width], "little")
                at += width
            start = len(result) - offset
            if offset == 0 or start < 0 or at > end:
                raise SnappyError(f"a copy goes back {offset} of {len(result)} bytes")
            if offset >= length:
                result += result[start : start + length]
            else:  # the copy overlaps its own result
                result += (result[start:] * (length // offset + 1))[:length]
        if len(result) > size:
            break
    if len(result) != size:
        raise SnappyError(f"it unpacks to {'more than ' if len(result) > size else ''}{min(len(result), size)} bytes, expected {size}")
    return bytes(result)
