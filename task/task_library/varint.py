"""Little-endian base-128 numbers, used by LevelDB, Snappy and protocol buffers."""

from __future__ import annotations

MAX_BYTES = 10  # of 64 bits


class VarintError(Exception):
    """The number is cut off or too large."""


def encode(value: int) -> bytes:
    """Encodes a number in `[0, 2**64)`."""
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def decode(content: bytes | memoryview, at: int) -> tuple[int, int]:
    """Decodes the number at an offset. Returns it with the offset after it.

    Raises:
        VarintError: The number is cut off, or it has more than 64 bits.
    """
    value = 0
    for count, byte in enumerate(content[at : at + MAX_BYTES]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            if value >> 64:
                break
            return value, at + count + 1
    raise VarintError(f"no number of at most 64 bits at byte {at} of {len(content)}")
