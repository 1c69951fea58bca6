"""The messages that configure an on-device ScaNN index, each with `encode` and `decode`.

None means that a field is absent. Unknown fields are skipped, as usual with protocol buffers, and are not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

import numpy as np

from . import wire

Message = TypeVar("Message")
Choice = TypeVar("Choice", bound=IntEnum)


class MessageError(Exception):
    """The content is not a valid message."""


class DistanceMeasure(IntEnum):
    """The distance of a row from a query."""

    SQUARED_L2_DISTANCE = 0
    DOT_PRODUCT = 1
    UNSPECIFIED = 2


class LookupType(IntEnum):
    """The type of the entries in the look-up table of asymmetric hashing."""

    FLOAT = 0
    INT16 = 1
    INT8 = 2
    INT8_LUT16 = 3


class EmbeddingType(IntEnum):
    """How the rows of a partition are stored."""

    UNSPECIFIED = 0
    FLOAT = 1
    UINT8 = 2


@dataclass(kw_only=True, eq=False)
class PartitionerProto:
    """The centroids of the partitions.

    Attributes:
        leaf: `(dimension,)` float32 each.
        search_fraction: Share of the leaves that a query searches; 1 if absent.
        query_distance: The distance by which leaves are chosen; squared L2 if absent.
    """

    leaf: list[np.ndarray] = field(default_factory=list)
    search_fraction: float | None = None
    query_distance: DistanceMeasure | None = None

    def encode(self) -> bytes:
        """Encodes the message."""
        leaves = b"".join(wire.nested(1, wire.floats(1, leaf)) for leaf in self.leaf)
        fraction = b"" if self.search_fraction is None else wire.single(2, self.search_fraction)
        return leaves + fraction + _encode_choice(3, self.query_distance)

    @classmethod
    def decode(cls, content: bytes | memoryview) -> PartitionerProto:
        """Decodes the message.

        Raises:
            MessageError: The message is damaged.
        """
        return _decode(cls, content, cls._take)

    def _take(self, number: int, kind: int, value: wire.Value) -> None:
        if number == 1:
            self.leaf.append(_vector(wire.to_bytes(kind, value)))
        elif number == 2:
            self.search_fraction = wire.to_single(kind, value)
        elif number == 3:
            self.query_distance = _decode_choice(DistanceMeasure, kind, value)


@dataclass(kw_only=True, eq=False)
class AsymmetricHashingProto:
    """The codebooks.

    Attributes:
        subspace: The codebook of each subspace, `(entries, dimensions of the subspace)` float32.
        query_distance: The distance in the look-up table; squared L2 if absent.
        lookup_type: The type of the entries in the look-up table; FLOAT if absent.
    """

    subspace: list[np.ndarray] = field(default_factory=list)
    query_distance: DistanceMeasure | None = None
    lookup_type: LookupType | None = None

    def encode(self) -> bytes:
        """Encodes the message."""
        books = (b"".join(wire.nested(1, wire.floats(1, entry)) for entry in book) for book in self.subspace)
        subspaces = b"".join(wire.nested(1, book) for book in books)
        return subspaces + _encode_choice(2, self.query_distance) + _encode_choice(3, self.lookup_type)

    @classmethod
    def decode(cls, content: bytes | memoryview) -> AsymmetricHashingProto:
        """Decodes the message. It raises the errors of `PartitionerProto.decode`."""
        return _decode(cls, content, cls._take)

    def _take(self, number: int, kind: int, value: wire.Value) -> None:
        if number == 1:
            self.subspace.append(_matrix(wire.to_bytes(kind, value)))
        elif number == 2:
            self.query_distance = _decode_choice(DistanceMeasure, kind, value)
        elif number == 3:
            self.lookup_type = _decode_choice(LookupType, kind, value)


@dataclass(kw_only=True, eq=False)
class ScannOnDeviceConfig:
    """How to search an index.

    Attributes:
        query_distance: The distance of rows that are stored as floats.
        asymmetric_hashing: The codebooks, if rows are stored as codes.
        partitioner: The centroids, if there is more than one partition.
        has_indexer: Whether there is an indexer, with or without codebooks.
    """

    query_distance: DistanceMeasure | None = None
    asymmetric_hashing: AsymmetricHashingProto | None = None
    partitioner: PartitionerProto | None = None
    has_indexer: bool = False

    def encode(self) -> bytes:
        """Encodes the message."""
        hashing, partitioner = self.asymmetric_hashing, self.partitioner
        codebooks = b"" if hashing is None else wire.nested(1, hashing.encode())
        return (
            _encode_choice(1, self.query_distance)
            + (wire.nested(2, codebooks) if self.has_indexer or hashing is not None else b"")
            + (b"" if partitioner is None else wire.nested(3, partitioner.encode()))
        )

    @classmethod
    def decode(cls, content: bytes | memoryview) -> ScannOnDeviceConfig:
        """Decodes the message. It raises the errors of `PartitionerProto.decode`."""
        return _decode(cls, content, cls._take)

    def _take(self, number: int, kind: int, value: wire.Value) -> None:
        if number == 1:
            self.query_distance = _decode_choice(DistanceMeasure, kind, value)
        elif number == 2:
            self.has_indexer = True
            for n, k, hashing in wire.fields(wire.to_bytes(kind, value)):
                if n == 1:
                    self.asymmetric_hashing = AsymmetricHashingProto.decode(wire.to_bytes(k, hashing))
        elif number == 3:
            self.partitioner = PartitionerProto.decode(wire.to_bytes(kind, value))


@dataclass(kw_only=True, eq=False)
class IndexConfig:
    """The value of `INDEX_CONFIG`.

    Attributes:
        scann_config: How to search the index.
        embedding_type: How rows are stored.
        embedding_dim: Values in a stored row: dimensions of FLOAT, codes of UINT8.
        global_partition_offsets: The number of the first row of each partition.
    """

    scann_config: ScannOnDeviceConfig = field(default_factory=ScannOnDeviceConfig)
    embedding_type: EmbeddingType = EmbeddingType.UNSPECIFIED
    embedding_dim: int = 0
    global_partition_offsets: list[int] = field(default_factory=list)

    def encode(self) -> bytes:
        """Encodes the message."""
        return (
            wire.nested(1, self.scann_config.encode())
            + wire.number(2, self.embedding_type)
            + wire.number(3, self.embedding_dim)
            + wire.numbers(4, self.global_partition_offsets)
        )

    @classmethod
    def decode(cls, content: bytes | memoryview) -> IndexConfig:
        """Decodes the message. It raises the errors of `PartitionerProto.decode`."""
        return _decode(cls, content, cls._take)

    def _take(self, number: int, kind: int, value: wire.Value) -> None:
        if number == 1:
            self.scann_config = ScannOnDeviceConfig.decode(wire.to_bytes(kind, value))
        elif number == 2:
            self.embedding_type = _decode_choice(EmbeddingType, kind, value)
        elif number == 3:
            self.embedding_dim = wire.to_number(kind, value)
        elif number == 4:
            self.global_partition_offsets += wire.to_numbers(kind, value)


def _decode(cls: type[Message], content: bytes | memoryview, take: Callable[[Message, int, int, wire.Value], None]) -> Message:
    message = cls()
    try:
        for number, kind, value in wire.fields(content):
            take(message, number, kind, value)
    except wire.WireError as error:
        raise MessageError(f"{cls.__name__}: {error}") from error
    return message


def _vector(content: memoryview) -> np.ndarray:
    """Decodes Leaf and CodebookEntry: packed floats in field 1."""
    parts = [wire.to_floats(kind, value) for number, kind, value in wire.fields(content) if number == 1]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _matrix(content: memoryview) -> np.ndarray:
    """Decodes SubspaceCodebook: vectors of equal length in field 1.

    An index has tens of thousands of them. Usually they only differ in their floats, so they are read as the rows of one array.
    """
    first = next(((k, v) for n, k, v in wire.fields(content) if n == 1), None)
    if first is None:
        return np.empty((0, 0), np.float32)
    vector = _vector(wire.to_bytes(*first))
    record = wire.nested(1, wire.floats(1, vector))
    header = len(record) - vector.nbytes
    if vector.nbytes and len(content) % len(record) == 0:
        rows = np.frombuffer(content, np.uint8).reshape(-1, len(record))
        if (rows[:, :header] == rows[0, :header]).all() and bytes(rows[0, :header]) == record[:header]:
            return np.ascontiguousarray(rows[:, header:]).view("<f4").astype(np.float32)
    vectors = [_vector(wire.to_bytes(k, v)) for n, k, v in wire.fields(content) if n == 1]
    lengths = sorted({len(v) for v in vectors})
    if len(lengths) > 1:
        raise wire.WireError(f"the entries of a codebook have {lengths[0]} to {lengths[-1]} dimensions, expected one number")
    return np.stack(vectors)


def _encode_choice(number: int, value: IntEnum | None) -> bytes:
    return b"" if value is None else wire.number(number, value)


def _decode_choice(choices: type[Choice], kind: int, value: wire.Value) -> Choice:
    found = wire.to_number(kind, value)
    try:
        return choices(found)
    except ValueError as error:
        raise wire.WireError(f"{choices.__name__} {found} is none of {', '.join(c.name for c in choices)}") from error
