"""The wire format of protocol buffers: encoders and decoders for the three kinds of field in messages of ScaNN."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from . import varint

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MASK_32 = (1 << 32) - 1
Value: TypeAlias = "int | memoryview"


class WireError(Exception):
    """The message is damaged."""


def number(field: int, value: int) -> bytes:
    """A field with an integer or an enumeration value."""
    return varint.encode(field << 3 | VARINT) + varint.encode(value)


def single(field: int, value: float) -> bytes:
    """A field with a float32."""
    return varint.encode(field << 3 | FIXED32) + struct.pack("<f", value)


def nested(field: int, content: bytes) -> bytes:
    """A field with a message or packed numbers."""
    return varint.encode(field << 3 | BYTES) + varint.encode(len(content)) + content


def floats(field: int, values: np.ndarray) -> bytes:
    """A field with packed float32; empty if there are none."""
    return nested(field, np.asarray(values, "<f4").tobytes()) if len(values) else b""


def numbers(field: int, values: list[int]) -> bytes:
    """A field with packed uint32; empty if there are none."""
    return nested(field, b"".join(map(varint.encode, values))) if values else b""


def fields(content: bytes | memoryview) -> Iterator[tuple[int, int, Value]]:
    """The fields of a message in order: number, kind, and an int (the bit pattern of fixed ones) or the bytes.

    Raises:
        WireError: The message is damaged.
    """
    view, at = memoryview(content), 0
    try:
        while at < len(view):
            tag, at = varint.decode(view, at)
            field, kind = tag >> 3, tag & 7
            if kind == VARINT:
                value: Value
                value, at = varint.decode(view, at)
            elif kind in (FIXED32, FIXED64):
                width = 4 if kind == FIXED32 else 8
                value, at = int.from_bytes(view[at : at + width], "little"), at + width
            elif kind == BYTES:
                size, at = varint.decode(view, at)
                value, at = view[at : at + size], at + size
            else:
                raise WireError(f"field {field} is of kind {kind}")
            if field == 0 or at > len(view):
                raise WireError(f"field {field} ends at {at} of {len(view)}")
            yield field, kind, value
    except varint.VarintError as error:
        raise WireError(str(error)) from error


def to_number(kind: int, value: Value) -> int:
    """The uint32 in a field.

    Raises:
        WireError: The field has another kind.
    """
    if kind != VARINT or not isinstance(value, int):
        raise WireError(f"a field of kind {kind}, expected a number")
    return value & MASK_32


def to_single(kind: int, value: Value) -> float:
    """The float32 in a field. It raises the errors of `to_number`."""
    if kind != FIXED32 or not isinstance(value, int):
        raise WireError(f"a field of kind {kind}, expected a float")
    return float(struct.unpack("<f", value.to_bytes(4, "little"))[0])


def to_bytes(kind: int, value: Value) -> memoryview:
    """The bytes in a field. It raises the errors of `to_number`."""
    if kind != BYTES or isinstance(value, int):
        raise WireError(f"a field of kind {kind}, expected bytes")
    return value


def to_floats(kind: int, value: Value) -> np.ndarray:
    """The float32 in a repeated field, packed or single. It raises the errors of `to_number`."""
    if kind == FIXED32:
        return np.array([to_single(kind, value)], np.float32)
    content = to_bytes(kind, value)
    if len(content) % 4:
        raise WireError(f"packed floats take {len(content)} bytes, expected a multiple of 4")
    return np.frombuffer(content, "<f4").astype(np.float32)


def to_numbers(kind: int, value: Value) -> list[int]:
    """The uint32 in a repeated field, packed or single. It raises the errors of `to_number`."""
    if kind == VARINT:
        return [to_number(kind, value)]
    content, at, result = bytes(to_bytes(kind, value)), 0, []
    try:
        while at < len(content):
            found, at = varint.decode(content, at)
            result.append(found & MASK_32)
    except varint.VarintError as error:
        raise WireError(str(error)) from error
    return result
