"""CRC-32C (Castagnoli) in NumPy, with the masking of LevelDB.

A CRC is linear over XOR. Each byte of a chunk contributes a word that depends on its value and position, so the CRC of a chunk is the XOR
of table entries. Chunks are combined in pairs: shifting a CRC past the bytes after it is linear, too.

Long content is folded first. `x**6777 + x**484 + x**100 + 1` is a multiple of the polynomial, also if x is replaced by x**2, x**4, x**8, ….
Therefore a piece can be removed if it is XORed into the pieces 6293, 6677 and 6777 places after it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from mmap import mmap
from typing import TypeAlias

import numpy as np

Bytes: TypeAlias = "bytes | bytearray | memoryview | mmap | np.ndarray"

POLYNOMIAL = 0x82F63B78  # bit-reversed 0x1EDC6F41
CHUNK = 256  # bytes, the length of the position table
PLACE = 4  # bytes; a power of two
FOLDS = tuple(PLACE * places for places in (6777 - 484, 6777 - 100, 6777))
FOLD_BYTES = 1 << 22  # folded at a time, to limit the memory
MASK_DELTA = 0xA282EAD8
ALL_ONES = 0xFFFFFFFF


def crc32c(content: Bytes) -> int:
    """The CRC-32C of `content`, in `[0, 2**32)`; `crc32c(b"123456789") == 0xE3069283`."""
    data = np.frombuffer(content, np.uint8)
    start = _shift(np.array([ALL_ONES], np.uint32), len(data))
    return int(start[0]) ^ _remainder(_fold(data)) ^ ALL_ONES


def mask(crc: int) -> int:
    """Masks a CRC as LevelDB stores it, because a CRC of data that contain CRCs would be weak."""
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & ALL_ONES


def unmask(stored: int) -> int:
    """The CRC of a masked value."""
    rotated = (stored - MASK_DELTA) & ALL_ONES
    return (rotated >> 17 | rotated << 15) & ALL_ONES


def _fold(data: np.ndarray) -> np.ndarray:
    """Shorter content with the same remainder."""
    step, _, size = FOLDS
    rest = data[:size]
    for start in range(size, len(data), FOLD_BYTES):
        piece = np.concatenate([rest, data[start : start + FOLD_BYTES]])
        end = len(piece) - size
        for at in range(0, end, step):
            front = piece[at : min(at + step, end)]
            for distance in FOLDS:
                piece[at + distance : at + distance + len(front)] ^= front
        rest = piece[end:]
    return rest


def _remainder(data: np.ndarray) -> int:
    """The CRC register after `data`, starting from 0. Leading zero bytes do not change it."""
    count = 1
    while count * CHUNK < len(data):
        count *= 2
    if count == 1:
        return int(np.bitwise_xor.reduce(_positions()[CHUNK - len(data) + np.arange(len(data)), data], initial=0))
    padded = np.zeros((count, CHUNK), np.uint8)
    padded.reshape(-1)[count * CHUNK - len(data) :] = data
    crcs = np.bitwise_xor.reduce(_positions()[np.arange(CHUNK), padded], axis=1)
    size = CHUNK
    while len(crcs) > 1:
        crcs = _shift(crcs[::2], size) ^ crcs[1::2]
        size *= 2
    return int(crcs[0])


def _shift(crcs: np.ndarray, size: int) -> np.ndarray:
    """CRC registers after `size` more zero bytes."""
    for power in range(size.bit_length()):
        if size >> power & 1:
            tables = _shift_tables(power)
            crcs = tables[0][crcs & 255] ^ tables[1][crcs >> 8 & 255] ^ tables[2][crcs >> 16 & 255] ^ tables[3][crcs >> 24]
    return crcs


@cache
def _byte_table() -> np.ndarray:
    """`(256,)` uint32: the register after one byte."""
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, values >> np.uint32(1) ^ np.uint32(POLYNOMIAL), values >> np.uint32(1))
    return values


@cache
def _positions() -> np.ndarray:
    """`(CHUNK, 256)` uint32: the contribution of a byte to the register, by its position in a chunk."""
    table = np.empty((CHUNK, 256), np.uint32)
    table[-1] = step = _byte_table()
    for place in range(CHUNK - 2, -1, -1):
        following = table[place + 1]
        table[place] = step[following & 255] ^ following >> np.uint32(8)
    return table


@lru_cache(maxsize=64)
def _shift_tables(power: int) -> np.ndarray:
    """`(4, 256)` uint32: the contribution of each byte of a register to the register `2 ** power` zero bytes later."""
    if power == 0:
        step = _byte_table()
        registers = np.arange(256, dtype=np.uint32) << np.arange(0, 32, 8, dtype=np.uint32)[:, None]
        shifted: np.ndarray = step[registers & 255] ^ registers >> np.uint32(8)
        return shifted
    half = _shift_tables(power - 1)
    return half[0][half & 255] ^ half[1][half >> 8 & 255] ^ half[2][half >> 16 & 255] ^ half[3][half >> 24]
