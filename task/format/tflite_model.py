"""A TFLite model's FlatBuffer, as far as the runtime has to look into it: named metadata buffers and custom operators."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import Any

from flatbuffers.table import Table

OPERATOR_CODES, BUFFERS, METADATA = 1, 4, 6  # fields of Model
CUSTOM_CODE = 1  # of OperatorCode
NAME, BUFFER = 0, 1  # of Metadata
DATA = 0  # of Buffer


class ModelError(Exception):
    """The FlatBuffer is damaged."""


def metadata(content: bytes | mmap, name: str) -> bytes | None:
    """The buffer attached under a name, such as `tflite_metadata.NAME`; None where there is none.

    Raises:
        ModelError: The FlatBuffer is damaged.
    """
    try:
        model = _root(content)
        for entry in _tables(model, METADATA):
            if _bytes(entry, NAME) == name.encode():
                offset = entry.Offset(4 + 2 * BUFFER)
                (index,) = struct.unpack_from("<I", content, entry.Pos + offset) if offset else (0,)
                buffers = list(_tables(model, BUFFERS))
                return _bytes(buffers[index], DATA)
    except (struct.error, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"the model is damaged ({error})") from error
    return None


def custom_operators(content: bytes | mmap) -> list[str]:
    """The custom operators that a model names, builtin ones excepted; raises as `metadata` does."""
    try:
        names = [_bytes(code, CUSTOM_CODE) for code in _tables(_root(content), OPERATOR_CODES)]
    except (struct.error, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"the model is damaged ({error})") from error
    return [name.decode("utf-8", "replace") for name in names if name]


def _root(content: bytes | mmap) -> Table:
    (start,) = struct.unpack_from("<I", content, 0)
    return Table(content, start)


def _tables(parent: Any, slot: int) -> Iterator[Table]:
    offset = parent.Offset(4 + 2 * slot)
    if offset:
        start = parent.Vector(offset)
        for i in range(parent.VectorLen(offset)):
            yield Table(parent.Bytes, parent.Indirect(start + 4 * i))


def _bytes(table: Any, slot: int) -> bytes:
    offset = table.Offset(4 + 2 * slot)
    if not offset:
        return b""
    start, size = table.Vector(offset), table.VectorLen(offset)
    if start + size > len(table.Bytes):
        raise ValueError(f"{size} bytes at {start} of {len(table.Bytes)}")
    return bytes(table.Bytes[start : start + size])
