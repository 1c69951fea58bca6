"""Streams a TFLite FlatBuffer to disk: tables first, the constants' bytes after them.

The FlatBuffers builder keeps the whole file in memory and copies it whenever it grows. A searcher is nearly all constants, so only the
tables go through the builder, each constant as a short stand-in vector; the real vectors are appended and the offsets in the `Buffer`
tables are pointed at them. Offsets are unsigned and relative (FlatBuffers internals, "Offsets"), so a later address is what they expect.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.errors import BuildError
from maker.workspace.atomic import check_space

# A constant is an array, or arrays that follow each other and are made only when they are written.
Constant: TypeAlias = "np.ndarray | Chunks"
ALIGNMENT = 16
MAX_BYTES = (1 << 31) - 1
DATA_FIELD = 4  # vtable slot of Buffer.data, the first field of the table
STAND_IN = np.zeros(1, np.uint8)


class Chunks:
    """A constant that is produced piece by piece, so that it never lies in memory as a whole."""

    def __init__(self, pieces: Iterable[np.ndarray], shape: tuple[int, ...], dtype: type) -> None:
        self.pieces = pieces
        self.shape = shape
        self.dtype = np.dtype(dtype)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def write(model: Any, constants: dict[int, Constant], path: Path) -> int:
    """Writes `model` with its constants.

    Args:
        model: `schema.ModelT` whose `buffers` have no data where `constants` names them.
        constants: Buffer index to its content.
        path: The file to write.

    Returns:
        The number of bytes written.

    Raises:
        BuildError: The file would pass the 2 GB that a FlatBuffer can address.
    """
    for index, content in constants.items():
        model.buffers[index].data = STAND_IN if content.nbytes else None
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    tables = bytearray(builder.Output())
    packed = schema.Model.GetRootAs(tables, 0)
    end = len(tables)
    starts: dict[int, int] = {}
    for index, content in constants.items():
        if not content.nbytes:
            continue
        table = packed.Buffers(index)._tab
        field = table.Pos + table.Offset(DATA_FIELD)
        # The vector is a 4-byte length and the data; it is the data that has to be aligned.
        length_at = _aligned(end + 4) - 4
        starts[index] = length_at
        end = length_at + 4 + content.nbytes
        if end > MAX_BYTES:
            total = sum(c.nbytes for c in constants.values())
            raise BuildError(
                f"{path}: the constants take {total / 1e9:.2f} GB, but a TFLite file ends at 2.15 GB: use fewer dimensions, 4 bits "
                "(--bits 4), or several files that are searched as one (TextSearcher.create_from_files)"
            )
        tables[field : field + 4] = np.uint32(length_at - field).tobytes()
    check_space(path, end)
    with open(path, "wb") as file:
        file.write(tables)
        for index, length_at in starts.items():
            file.write(b"\0" * (length_at - file.tell()))
            file.write(np.uint32(constants[index].nbytes).tobytes())
            _write_constant(file, constants[index])
        file.write(b"\0" * (_aligned(end) - file.tell()))
        return file.tell()


def _write_constant(file: BinaryIO, content: Constant) -> None:
    pieces = content.pieces if isinstance(content, Chunks) else [content]
    written = 0
    for piece in pieces:
        view = np.ascontiguousarray(piece).reshape(-1).view(np.uint8)
        file.write(view.data)
        written += view.nbytes
    if written != content.nbytes:
        raise BuildError(f"{file.name}: a constant of {content.nbytes} bytes was announced, {written} came")


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT
