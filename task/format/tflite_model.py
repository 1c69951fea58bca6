"""Reads parts of the FlatBuffer of a TFLite model: named metadata buffers, custom operators and constants.

Field numbers and enumerations are those of TensorFlow Lite's schema (`schema.fbs`, version 3c).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any

from flatbuffers.table import Table

OPERATOR_CODES, SUBGRAPHS, BUFFERS, METADATA, SIGNATURES = 1, 2, 4, 6, 7  # fields of Model
CUSTOM_CODE = 1  # of OperatorCode
NAME, BUFFER = 0, 1  # of Metadata
DATA = 0  # of Buffer
SIGNATURE_KEY, SUBGRAPH = 2, 4  # of SignatureDef
TENSORS = 0  # of SubGraph
SHAPE, TYPE, TENSOR_BUFFER, TENSOR_NAME, QUANTIZATION = 0, 1, 2, 3, 4  # of Tensor
SCALE = 2  # of QuantizationParameters


class ModelError(Exception):
    """The FlatBuffer is damaged."""


@dataclass(frozen=True)
class Constant:
    """A constant of a graph.

    Attributes:
        type: A `TensorType` of the schema.
        shape: The shape.
        offset: Offset of the values in bytes from the start of the file.
        scale: The scale if it is quantised, else 1.
    """

    type: int
    shape: tuple[int, ...]
    offset: int
    scale: float


def constants(content: bytes | mmap, signature: str) -> dict[str, Constant]:
    """The constants of the graph of a signature, by name; the last one if a name repeats. Empty if there is no such signature.

    Raises:
        ModelError: The FlatBuffer is damaged.
    """
    found = {}
    try:
        model = _root(content)
        for entry in _tables(model, SIGNATURES):
            if _bytes(entry, SIGNATURE_KEY) == signature.encode():
                subgraph = list(_tables(model, SUBGRAPHS))[_scalar(entry, SUBGRAPH, "<I")]
                buffers = list(_tables(model, BUFFERS))
                for tensor in _tables(subgraph, TENSORS):
                    offset = _data_offset(buffers[_scalar(tensor, TENSOR_BUFFER, "<I")])
                    if offset is not None:
                        name = _bytes(tensor, TENSOR_NAME).decode("utf-8", "replace")
                        found[name] = Constant(_scalar(tensor, TYPE, "<b"), _integers(tensor, SHAPE), offset, _scale(tensor))
    except (struct.error, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"the model is damaged ({error})") from error
    return found


def metadata(content: bytes | mmap, name: str) -> bytes | None:
    """The metadata buffer with a name, such as `tflite_metadata.NAME`; None if there is none.

    Raises:
        ModelError: The FlatBuffer is damaged.
    """
    try:
        model = _root(content)
        for entry in _tables(model, METADATA):
            if _bytes(entry, NAME) == name.encode():
                buffers = list(_tables(model, BUFFERS))
                return _bytes(buffers[_scalar(entry, BUFFER, "<I")], DATA)
    except (struct.error, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"the model is damaged ({error})") from error
    return None


def custom_operators(content: bytes | mmap) -> list[str]:
    """The names of the custom operators of a model. It raises the errors of `metadata`."""
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


def _scalar(table: Any, slot: int, form: str) -> int:
    offset = table.Offset(4 + 2 * slot)
    return int(struct.unpack_from(form, table.Bytes, table.Pos + offset)[0]) if offset else 0


def _integers(table: Any, slot: int) -> tuple[int, ...]:
    offset = table.Offset(4 + 2 * slot)
    return struct.unpack_from(f"<{table.VectorLen(offset)}i", table.Bytes, table.Vector(offset)) if offset else ()


def _data_offset(buffer: Any) -> int | None:
    offset = buffer.Offset(4 + 2 * DATA)
    return int(buffer.Vector(offset)) if offset else None


def _scale(table: Any) -> float:
    offset = table.Offset(4 + 2 * QUANTIZATION)
    if not offset:
        return 1.0
    parameters: Any = Table(table.Bytes, table.Indirect(table.Pos + offset))
    field = parameters.Offset(4 + 2 * SCALE)
    if not field or not parameters.VectorLen(field):
        return 1.0
    return float(struct.unpack_from("<f", table.Bytes, parameters.Vector(field))[0])
