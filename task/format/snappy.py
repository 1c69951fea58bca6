"""Snappy's raw format, which LevelDB compresses blocks with: a length, then literals and copies of what came before."""

from __future__ import annotations

from collections.abc import Callable

from . import varint

LITERAL, COPY_1, COPY_2, COPY_4 = range(4)  # the low two bits of a tag
MAX_BYTES = 1 << 32


class SnappyError(Exception):
    """The content is not what Snappy writes, or there is nothing to write it with."""


def compressor() -> Callable[[bytes], bytes]:
    """A function that compresses, from the package `cramjam`.

    Raises:
        SnappyError: `cramjam` is not installed.
    """
    try:
        from cramjam import snappy  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise SnappyError("writing compressed blocks needs cramjam: pip install cramjam") from error
    return lambda content: bytes(snappy.compress_raw(content))


def decompress(content: bytes | memoryview) -> bytes:
    """Unpacks a block.

    Raises:
        SnappyError: It is damaged.
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
            else:  # the copy repeats what it writes
                result += (result[start:] * (length // offset + 1))[:length]
        if len(result) > size:
            break
    if len(result) != size:
        raise SnappyError(f"it unpacks to {'more than ' if len(result) > size else ''}{min(len(result), size)} bytes, expected {size}")
    return bytes(result)
