"""The stored rows of a searcher's index, read in place.

A graph searcher has no signature that takes an item or a choice of items. Its rows are constants of the graph, which have names, and this
file is the only reader that knows them.
"""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass, replace
from mmap import mmap
from typing import Any

import numpy as np

from . import tflite_model

SIGNATURE = "search_embedding"
ARRAYS = ("rows", "steps", "ids", "bases", "base_steps", "entries")  # names of constants
FINE = {"fine_rows": "rows", "fine_steps": "steps"}  # the same of finer rows, which are taken where there are any
TYPES = {0: "float32", 2: "int32", 3: "uint8", 9: "int8"}  # TensorType of the schema
DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "<u1", "int8": "<i1"}
MIDDLE = np.float32(7.5)  # of 4-bit values


@dataclass(frozen=True)
class Place:
    """An array in the file: bytes from the file's start, shape, and type of its values; little-endian, row-major."""

    offset: int
    shape: list[int]
    type: str


@dataclass(frozen=True)
class Rows:
    """Where an index keeps what it knows of its items; `c` blocks of `b` rows.

    Attributes:
        kind: `int8`: a row is `unit * step * values`. `int4`: `unit * step * (values - 7.5)`, plus its block's base where there are bases.
            `float32`: as it is. `product`: entry numbers, a block of dimensions each.
        rows: `(c, b, width)`; 4-bit rows as uint8: dimension i in the low four bits, dimension i + width in the high ones.
        unit: What a step of 1 stands for.
        steps: `(c, b)` uint8 or float32; None for `float32` and `product`.
        ids: `(c, b)` int32, the item in each row, -1 for padding; None where row i is item i.
        bases: `(c, d)` int8, for 4-bit rows.
        base_steps: `(c, 1)` float32: a base is its step times its values.
        entries: `(blocks, entries, dimensions)` float32, for `product`.
    """

    kind: str
    rows: Place
    unit: float = 1.0
    steps: Place | None = None
    ids: Place | None = None
    bases: Place | None = None
    base_steps: Place | None = None
    entries: Place | None = None

    def describe(self) -> dict[str, Any]:
        """As JSON can say it."""
        return asdict(self)


def locate_rows(content: bytes | mmap) -> Rows | None:
    """Finds the rows.

    Args:
        content: The whole file.

    Returns:
        Where they are, or None where the graph is not one that this release knows: the file can be searched all the same.

    Raises:
        ModelError: The FlatBuffer is damaged.
    """
    constants = {name: c for name, c in tflite_model.constants(content, SIGNATURE).items() if c.type in TYPES}
    rows, unit = constants.get("rows"), constants.get("unit")
    if rows is None or len(rows.shape) != 3:
        return None
    fine = constants.get("fine_rows")
    names = {name: name for name in ARRAYS} if fine is None else {"ids": "ids", **FINE}
    found: dict[str, Any] = {
        name: Place(constants[stored].offset, list(constants[stored].shape), TYPES[constants[stored].type])
        for stored, name in names.items()
        if stored in constants
    }
    if fine is not None:
        blocks, size, _ = rows.shape
        if fine.shape[0] != blocks * size:
            return None
        found["rows"] = replace(found["rows"], shape=[blocks, size, fine.shape[1]])
        rows = fine
    kind = {"uint8": "product", "int8": "int8", "float32": "float32"}.get(TYPES[rows.type], "")
    if kind == "int8":
        found["unit"] = rows.scale
    elif kind == "product" and unit is not None:
        kind, (found["unit"],) = "int4", struct.unpack_from("<f", content, unit.offset)
    needed = {"int8": "steps", "int4": "steps", "float32": "rows", "product": "entries"}.get(kind)
    return Rows(kind, **found) if needed in found else None


class StoredRows:
    """Views of the rows where they lie in the file; nothing is copied until rows are asked for.

    Attributes:
        kind, unit: As in `Rows`.
        block: Rows a block.
        rows: `(rows, width)`, padding included.
        steps: `(rows,)`, or None.
        bases, base_steps, entries: As in `Rows`.
        items: `(rows,)` int32, the item in each row, -1 for padding.
        dimension: Of an embedding.
    """

    def __init__(self, content: bytes | mmap, places: Rows, dimension: int) -> None:
        """Lays views over the file, which has to stay open as long as they are used.

        Raises:
            ValueError: A place is not within the file.
        """

        def view(place: Place | None) -> np.ndarray | None:
            if place is None:
                return None
            count = int(np.prod(place.shape, dtype=np.int64))
            return np.frombuffer(content, DTYPES[place.type], count, place.offset).reshape(place.shape)

        self.kind, self.unit, self.dimension = places.kind, np.float32(places.unit), dimension
        _, self.block, width = places.rows.shape
        rows, steps, ids = view(places.rows), view(places.steps), view(places.ids)
        assert rows is not None
        self.rows: np.ndarray = rows.reshape(-1, width)
        self.steps: np.ndarray | None = None if steps is None else steps.reshape(-1)
        self.items: np.ndarray = np.arange(len(self.rows), dtype=np.int32) if ids is None else ids.reshape(-1)
        self.bases, self.base_steps, self.entries = view(places.bases), view(places.base_steps), view(places.entries)

    def values(self, rows: np.ndarray | slice) -> np.ndarray:
        """What is multiplied with a row's step, `(n, d)` float32; not for `product`."""
        stored = self.rows[rows]
        if self.kind != "int4":
            return stored.astype(np.float32)
        values = np.concatenate([stored & 15, stored >> 4], axis=1)[:, : self.dimension]
        return values - MIDDLE

    def real_steps(self, rows: np.ndarray | slice) -> np.ndarray | None:
        """What a 1 among a row's values stands for, `(n,)` float32; None where rows have no steps."""
        return None if self.steps is None else self.steps[rows].astype(np.float32) * self.unit

    def blocks(self, rows: np.ndarray | slice) -> np.ndarray:
        """The blocks that rows lie in."""
        return (np.arange(*rows.indices(len(self.rows))) if isinstance(rows, slice) else rows) // self.block

    def decode(self, rows: np.ndarray | slice) -> np.ndarray:
        """What some rows, by their numbers, stand for: `(n, d)` float32."""
        if self.entries is not None:
            stored = self.rows[rows]
            return self.entries[np.arange(len(self.entries)), stored].reshape(len(stored), -1)[:, : self.dimension]
        decoded, steps = self.values(rows), self.real_steps(rows)
        if steps is not None:
            decoded *= steps[:, None]
        if self.bases is not None and self.base_steps is not None:
            leaves = self.blocks(rows)
            decoded += self.bases[leaves] * self.base_steps[leaves]
        return decoded
