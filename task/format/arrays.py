"""Arrays one after the other in an associated file, and where each lies, for the JSON beside it."""

from __future__ import annotations

from mmap import mmap
from typing import Any

import numpy as np

ALIGNMENT = 8
DTYPES = frozenset(("<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<f4", "<f8"))


class ArraysError(Exception):
    """An array cannot be read."""


class Arrays:
    """Collects arrays for an associated file."""

    def __init__(self) -> None:
        """Starts without arrays."""
        self.content = bytearray()

    def put(self, values: np.ndarray) -> dict[str, Any]:
        """Appends an array and returns its place: `offset` in bytes, `length` in values, `type`."""
        self.content.extend(b"\0" * (-len(self.content) % ALIGNMENT))
        place = {"offset": len(self.content), "length": len(values), "type": values.dtype.str.replace("|", "<")}
        self.content.extend(values.tobytes())
        return place


def view(content: bytes | mmap, within: tuple[int, int], place: Any, what: str, length: int | None = None) -> np.ndarray:
    """An array, read in place.

    Args:
        content: The whole file.
        within: Offset and size in bytes of the associated file in it.
        place: What `put` returned.
        what: Its name in errors.
        length: The number of values that it has to have; None for any.

    Raises:
        ArraysError: The place is not one, is outside of the associated file, or has another number of values.
    """
    start, size = within
    try:
        offset, count, kind = int(place["offset"]), int(place["length"]), str(place["type"])
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise ArraysError(f"the {what} are not described") from error
    if kind not in DTYPES or offset < 0 or count < 0 or offset + count * np.dtype(kind).itemsize > size:
        raise ArraysError(f"the {what} are not within their file")
    if length is not None and count != length:
        raise ArraysError(f"there are {count} {what}, expected {length}")
    return np.frombuffer(content, kind, count, start + offset)


def ascends(starts: np.ndarray, end: int) -> bool:
    """Whether the beginnings of parts do not descend, from 0 to the end of the last."""
    return bool(len(starts) and starts[0] == 0 and starts[-1] == end and (starts[1:] >= starts[:-1]).all())
