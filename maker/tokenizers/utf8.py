"""UTF-8 in the graph: bytes to code points as Python's `decode("utf8", "replace")` has it, and back."""

from __future__ import annotations

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.spread import spread
from maker.tokenizers.values import ONE, ZERO, as_flag, flags, int32

REPLACEMENT = 0xFFFD
BYTES = np.arange(256)
# RFC 3629, section 4: how many bytes follow a lead byte, and between which bounds the first of them lies.
FOLLOWING = (np.select([BYTES >= 0xF0, BYTES >= 0xE0], [3, 2], 1) * ((BYTES >= 0xC2) & (BYTES < 0xF5))).astype(np.int32)
LOWEST, HIGHEST = np.full(256, 0x80, np.int32), np.full(256, 0xBF, np.int32)
LOWEST[0xE0], HIGHEST[0xED], LOWEST[0xF0], HIGHEST[0xF4] = 0xA0, 0x9F, 0x90, 0x8F
CONTINUATION, SOMETHING = flags(range(0x80, 0xC0)), flags(range(1, 256))
LEADS = (((BYTES > 0) & (BYTES < 0x80)) | (FOLLOWING > 0)).astype(np.int32)
# A code point is constant(lead) + factor(lead, i) * byte i behind it.
FACTORS = [np.select([FOLLOWING - i == 0, FOLLOWING - i == 1, FOLLOWING - i == 2], [1, 64, 4096], 0).astype(np.int32) for i in (1, 2, 3)]
CONSTANT = np.select(
    [FOLLOWING == 1, FOLLOWING == 2, FOLLOWING == 3],
    [(BYTES - 0xC0) * 64 - 0x80, (BYTES - 0xE0) * 4096 - 0x80 * 65, (BYTES - 0xF0) * 262144 - 0x80 * 4161],
    BYTES,
).astype(np.int32)
PREFIXES, PLACES = np.array([0, 0, 0xC0, 0xE0, 0xF0], np.int32), np.array([1, 64, 4096, 262144], np.int32)


def decode(g: Subgraph, byte: int) -> tuple[int, int]:
    """Code points, `[n]` int32 at the bytes that start them, and `[n]` flags of where one starts; of zero bytes none does.

    Damaged bytes become U+FFFD, one for each maximal part of a character (Unicode, section 3.9, "U+FFFD Substitution"), as in Python.
    """
    (n,) = g.shape(byte)
    padded = g.concat([byte, np.zeros(3, np.int32)])
    ahead = [g.slice(padded, (i,), (n,)) for i in (1, 2, 3)]
    code = g.gather(CONSTANT, byte)
    for factors, following in zip(FACTORS, ahead, strict=True):
        code = g.add(code, g.mul(g.gather(factors, byte), following))
    in_bounds = g.logical_and(g.greater_equal(ahead[0], g.gather(LOWEST, byte)), g.less_equal(ahead[0], g.gather(HIGHEST, byte)))
    first = as_flag(g, in_bounds)
    second = g.mul(first, g.gather(CONTINUATION, ahead[1]))
    third = g.mul(second, g.gather(CONTINUATION, ahead[2]))
    wanted = g.gather(FOLLOWING, byte)
    found = g.minimum(g.add(first, g.add(second, third)), wanted)
    valid = g.logical_and(g.equal(found, wanted), g.greater(g.gather(LEADS, byte), ZERO))
    covered = g.shift(g.minimum(found, ONE), 1)
    for distance in (2, 3):
        covered = g.maximum(covered, g.shift(as_flag(g, g.greater_equal(found, int32(distance))), distance))
    return g.select(valid, code, int32(REPLACEMENT)), g.mul(g.gather(SOMETHING, byte), g.sub(ONE, covered))


def encode(g: Subgraph, code: int, size: int) -> int:
    """Bytes `[size]` int32 of code points `[n]`, those that are 0 left out; cut or padded with 0."""
    lengths = [as_flag(g, g.greater_equal(code, int32(lowest))) for lowest in (1, 0x80, 0x800, 0x10000)]
    length = g.add(g.add(lengths[0], lengths[1]), g.add(lengths[2], lengths[3]))
    source, number, there = spread(g, length, size)
    size_here = g.gather(length, source)
    left = g.maximum(g.sub(g.sub(size_here, ONE), number), ZERO)
    value = g.floor_div(g.gather(code, source), g.gather(PLACES, g.minimum(left, int32(3))))
    lead, rest = g.add(value, g.gather(PREFIXES, size_here)), g.add(g.floor_mod(value, int32(64)), int32(0x80))
    return g.mul(there, g.select(g.equal(number, ZERO), lead, rest))
