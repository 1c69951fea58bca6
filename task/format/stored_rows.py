"""The stored rows of an index, read in place.

A graph searcher has no signature for a single item or for a filter. Its rows are named constants of the graph, which only this module
reads.
"""

from __future__ import annotations

import struct
from copy import copy
from dataclasses import asdict, dataclass, replace
from mmap import mmap
from typing import Any

import numpy as np

from . import tflite_model

SIGNATURE = "search_embedding"
ARRAYS = ("rows", "steps", "ids", "bases", "base_steps", "entries")  # names of constants
RESIDUALS = "residuals"  # the name of `rows` if they are int8 and differences from a base
FINE = {"fine_rows": "rows", "fine_steps": "steps"}  # names for the finer rows, which are used if there are any
DIRECTIONS = ("scanned_directions", "rest_directions")  # of rows that are split: `rows` are those scanned, the finer rows the rest
TYPES = {0: "float32", 2: "int32", 3: "uint8", 9: "int8"}  # TensorType of the schema
DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "<u1", "int8": "<i1"}
MIDDLE = np.float32(7.5)  # of 4-bit codes


@dataclass(frozen=True)
class Place:
    """An array in the file, little-endian and row-major: offset in bytes from the start of the file, shape and type of its values."""

    offset: int
    shape: list[int]
    type: str


@dataclass(frozen=True)
class Rows:
    """Where the rows of an index are in the file, as `c` blocks of `b` rows. The names are those of the constants.

    The scale of a row is `unit * step`.

    Attributes:
        kind: `int8`: a row is `scale * codes`. `int4`: a row is `scale * (codes - 7.5)`. Both plus the block's base, if there are bases.
            `float32`: a row is its values. `product`: a row has one number of a codebook entry per block of dimensions.
        rows: `(c, b, width)` codes. 4-bit codes are packed as uint8: dimension i is in the low four bits, dimension i + width in the high.
        unit: The scale of rows with a step of 1.
        steps: `(c, b)` uint8 or float32, the scale of each row in units; None for `float32` and `product`.
        ids: `(c * b,)` int32, in older files `(c, b)`: the item in each row, -1 for padding; None if row i is item i.
        bases: `(c, d)` int8 codes of the base of each block, for int8 and 4-bit rows.
        base_steps: `(c, 1)` float32, the scale of each base.
        entries: `(blocks, entries, dimensions)` float32 codebooks, for `product`.
        directions: `(p, d)` float32: a row of p dimensions is that of an embedding along these. The dot product with a query is that of
            the row and `directions @ query`. None if a row is an embedding.
        rest: The same rows along further directions; an embedding is the sum of both.
    """

    kind: str
    rows: Place
    unit: float = 1.0
    steps: Place | None = None
    ids: Place | None = None
    bases: Place | None = None
    base_steps: Place | None = None
    entries: Place | None = None
    directions: Place | None = None
    rest: Rows | None = None

    def describe(self) -> dict[str, Any]:
        """The attributes, for JSON."""
        return asdict(self)


def locate_rows(content: bytes | mmap) -> Rows | None:
    """Finds the rows.

    Args:
        content: The whole file.

    Returns:
        Their places; None if this release does not know the layout of the graph. The file can still be searched.

    Raises:
        ModelError: The FlatBuffer is damaged.
    """
    constants = {name: c for name, c in tflite_model.constants(content, SIGNATURE).items() if c.type in TYPES}
    if RESIDUALS in constants:
        constants["rows"] = constants[RESIDUALS]
    if all(name in constants for name in DIRECTIONS):
        return _split(content, constants)
    return _whole(content, constants)


def _split(content: bytes | mmap, constants: dict[str, tflite_model.Constant]) -> Rows | None:
    """The places of split rows."""
    searched = {name: constant for name, constant in constants.items() if name not in FINE}
    scanned = _whole(content, searched)
    if scanned is None:
        return None
    blocks, size, _ = scanned.rows.shape
    finer = {FINE.get(name, name): constants[name] for name in ("fine_rows", "fine_steps") if name in constants}
    finer |= {"unit": constants["fine_unit"]} if "fine_unit" in constants else {}
    if "rows" not in finer or finer["rows"].shape[0] != blocks * size:
        return None
    finer["rows"] = replace(finer["rows"], shape=(blocks, size, finer["rows"].shape[1]))
    rest = _whole(content, finer)
    if rest is None:
        return None
    first, second = (_place(constants[name]) for name in DIRECTIONS)
    return replace(scanned, directions=first, rest=replace(rest, directions=second))


def _place(constant: tflite_model.Constant) -> Place:
    return Place(constant.offset, list(constant.shape), TYPES[constant.type])


def _whole(content: bytes | mmap, constants: dict[str, tflite_model.Constant]) -> Rows | None:
    """The places of rows that are embeddings, or of one part of split rows."""
    rows, unit = constants.get("rows"), constants.get("unit")
    if rows is None or len(rows.shape) != 3:
        return None
    fine = constants.get("fine_rows")
    names = {name: name for name in ARRAYS} if fine is None else {"ids": "ids", **FINE}
    found: dict[str, Any] = {name: _place(constants[stored]) for stored, name in names.items() if stored in constants}
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
    """Views of the rows in the file. Rows are copied only when a method returns them.

    Attributes:
        kind: As in `Rows`.
        block: Rows per block.
        rows: `(rows, width)`, including padding.
        bases, entries: As in `Rows`.
        base_scales: `(c, 1)` float32, the scale of each base.
        items: `(rows,)` int32, the item in each row, -1 for padding.
        dimension: Dimension of the rows: that of the embeddings, unless rows are split.
        directions, rest: As in `Rows`.
    """

    def __init__(self, content: bytes | mmap, places: Rows, dimension: int) -> None:
        """Makes views of the file, which has to stay open as long as they are used.

        Raises:
            ValueError: An array is not within the file.
        """

        def view(place: Place | None) -> np.ndarray | None:
            if place is None:
                return None
            count = int(np.prod(place.shape, dtype=np.int64))
            return np.frombuffer(content, DTYPES[place.type], count, place.offset).reshape(place.shape)

        self.directions = view(places.directions)
        self.rest = None if places.rest is None else StoredRows(content, places.rest, dimension)
        self.kind, self._unit = places.kind, np.float32(places.unit)
        self.dimension = dimension if self.directions is None else len(self.directions)
        _, self.block, width = places.rows.shape
        rows, steps, ids = view(places.rows), view(places.steps), view(places.ids)
        assert rows is not None
        self.rows: np.ndarray = rows.reshape(-1, width)
        self._steps: np.ndarray | None = None if steps is None else steps.reshape(-1)
        self.items: np.ndarray = np.arange(len(self.rows), dtype=np.int32) if ids is None else ids.reshape(-1)
        self.bases, self.base_scales, self.entries = view(places.bases), view(places.base_steps), view(places.entries)
        self._blocks: np.ndarray | None = None

    def taken(self, numbers: np.ndarray) -> StoredRows:
        """A copy of some rows, `(n,)` row numbers, ascending."""
        some = copy(self)
        some.rows, some.items = self.stored(numbers), self.items[numbers]
        some._steps = None if self._steps is None else self._steps[numbers]
        some.rest = None if self.rest is None else self.rest.taken(numbers)
        if self.bases is not None and self.base_scales is not None:
            blocks = self.blocks(numbers)
            firsts = np.append(True, blocks[1:] != blocks[:-1])[: len(blocks)]
            needed, some._blocks = blocks[firsts], np.cumsum(firsts) - 1
            some.bases, some.base_scales = _picked(self.bases, needed), self.base_scales[needed]
        return some

    def stored(self, rows: np.ndarray | slice) -> np.ndarray:
        """The content of rows, `(n, width)` as it is stored."""
        return self.rows[rows] if isinstance(rows, slice) else _picked(self.rows, rows)

    def codes(self, rows: np.ndarray | slice) -> np.ndarray:
        """The codes of rows, without the offset of 4-bit codes, `(n, d)` float32; not for `product`."""
        stored = self.stored(rows)
        if self.kind != "int4":
            return stored.astype(np.float32)
        codes = np.concatenate([stored & 15, stored >> 4], axis=1)[:, : self.dimension]
        return codes - MIDDLE

    def scales(self, rows: np.ndarray | slice) -> np.ndarray | None:
        """The scales of rows, `(n,)` float32; None for rows without scales."""
        return None if self._steps is None else self._steps[rows].astype(np.float32) * self._unit

    def blocks(self, rows: np.ndarray | slice) -> np.ndarray:
        """The block of each row."""
        if self._blocks is not None:
            return self._blocks[rows]
        return (np.arange(*rows.indices(len(self.rows))) if isinstance(rows, slice) else rows) // self.block

    def decode(self, rows: np.ndarray | slice) -> np.ndarray:
        """The embeddings in rows, `(n, d)` float32, by row number."""
        if self.entries is not None:
            stored = self.rows[rows]
            return self.entries[np.arange(len(self.entries)), stored].reshape(len(stored), -1)[:, : self.dimension]
        decoded, scales = self.codes(rows), self.scales(rows)
        if scales is not None:
            decoded *= scales[:, None]
        if self.bases is not None and self.base_scales is not None:
            leaves = self.blocks(rows)
            decoded += self.bases[leaves] * self.base_scales[leaves]
        if self.directions is not None:
            decoded = decoded @ self.directions
        return decoded if self.rest is None else decoded + self.rest.decode(rows)


def _picked(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """A copy of some rows. Taken as one value of many bytes each, they are copied several times faster than by their index alone."""
    whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize)))[:, 0]
    return np.take(whole, numbers).view(rows.dtype).reshape(len(numbers), rows.shape[1])
