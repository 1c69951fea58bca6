"""Changes bytes the way that damage and malice do."""

from __future__ import annotations

import random
import struct
import zlib

ODD = [b"\x00", b"\xff", b"\x7f", b"\x80"]
ODD += [bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x01\x00\x00"]
HEADER = 48  # bytes


def mutated(content: bytes, source: random.Random, places: list[tuple[int, int]] | None = None) -> bytes:
    """One to four changes: each in the header, in one of the named places `(start, end)`, in the middle or at the end."""
    changed = bytearray(content)
    for _ in range(source.choice((1, 1, 1, 2, 2, 4))):
        if not changed:
            break
        size = len(changed)
        regions = [(0, min(HEADER, size)), (0, size), (max(0, size - HEADER), size), *(places or [])]
        low, high = source.choice(regions)
        _change(changed, source, min(source.randrange(low, max(high, low + 1)), size - 1))
    return bytes(changed)


def _change(content: bytearray, source: random.Random, at: int) -> None:
    kind = source.choice(("bit", "byte", "odd", "cut", "drop", "repeat", "insert", "swap"))
    if kind == "bit":
        content[at] ^= 1 << source.randrange(8)
    elif kind == "byte":
        content[at] = source.randrange(256)
    elif kind == "odd":
        value = source.choice(ODD)
        content[at : at + len(value)] = value
    elif kind == "cut":
        del content[at:]
    elif kind == "drop":
        del content[at : at + source.randrange(1, 64)]
    elif kind == "repeat":
        piece = content[at : at + source.randrange(1, 256)]
        content[at:at] = piece * source.randrange(1, 4)
    elif kind == "insert":
        content[at:at] = source.randbytes(source.randrange(1, 32))
    else:
        other = source.randrange(len(content))
        size = source.randrange(1, 32)
        first, second = content[at : at + size], content[other : other + size]
        content[at : at + size], content[other : other + size] = second, first


def with_png_checksums(content: bytes) -> bytes:
    """A PNG whose chunks' CRCs fit, so that a change inside a chunk gets past them."""
    mended, at = bytearray(content), 8
    while at + 12 <= len(mended):
        (size,) = struct.unpack_from(">I", mended, at)
        if at + 12 + size > len(mended):
            break
        struct.pack_into(">I", mended, at + 8 + size, zlib.crc32(mended[at + 4 : at + 8 + size]))
        at += 12 + size
    return bytes(mended)
