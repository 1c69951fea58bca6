"""An on-device ScaNN index file: a table of keys and values.

`INDEX_CONFIG` is the configuration, `E_<partition>` the rows of a partition, `M_<row>` the metadata of a row, `USER_INFO` the text of the
builder. Row numbers continue from partition to partition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from mmap import mmap
from typing import IO, Any

import numpy as np

from .scann_messages import EmbeddingType, IndexConfig, MessageError
from .sstable import Compress, SSTable, write

CONFIG, USER_INFO = b"INDEX_CONFIG", b"USER_INFO"
PARTITION, METADATA = "E_", "M_"
DTYPES: dict[EmbeddingType, np.dtype[Any]] = {EmbeddingType.FLOAT: np.dtype("<f4"), EmbeddingType.UINT8: np.dtype(np.uint8)}


class ScannFileError(Exception):
    """The index is inconsistent."""


def encode(
    target: IO[bytes],
    config: IndexConfig,
    partitions: Sequence[np.ndarray],
    metadata: Sequence[bytes],
    user_info: bytes = b"",
    compress: Compress | None = None,
) -> int:
    """Writes an index.

    Args:
        target: The file to write to.
        config: The configuration; `embedding_dim` and `global_partition_offsets` are set from the partitions.
        partitions: For each leaf `(n, columns)`, float32 or uint8 according to `config.embedding_type`.
        metadata: One entry per row, in the order of the partitions.
        user_info: The text of the builder.
        compress: As in `sstable.write`.

    Returns:
        The number of bytes written.

    Raises:
        ScannFileError: Rows and metadata differ in number, there are no partitions, or rows have another type or width.
    """
    dtype = DTYPES.get(config.embedding_type)
    widths = {p.shape[1] for p in partitions if p.ndim == 2}
    if dtype is None or len(widths) != 1 or any(p.ndim != 2 or p.dtype != dtype for p in partitions):
        raise ScannFileError(f"the partitions have to be two-dimensional, of one width and of embedding type {config.embedding_type.name}")
    rows = [len(p) for p in partitions]
    if sum(rows) != len(metadata):
        raise ScannFileError(f"there are {len(metadata)} metadata for {sum(rows)} rows")
    config.embedding_dim = widths.pop()
    config.global_partition_offsets = np.cumsum([0, *rows[:-1]]).tolist()

    def entries() -> Iterator[tuple[bytes, bytes]]:
        for number in _lexical(len(partitions)):
            yield f"{PARTITION}{number}".encode(), partitions[number].tobytes()
        yield CONFIG, config.encode()
        for number in _lexical(len(metadata)):
            yield f"{METADATA}{number}".encode(), metadata[number]
        yield USER_INFO, user_info

    return write(entries(), target, compress)


def _lexical(count: int) -> Iterable[int]:
    """The numbers below `count`, in alphabetical order: 0, 1, 10, 100, 11, …."""
    return sorted(range(count), key=str)


class ScannFile:
    """Reads an index in place.

    Attributes:
        config: The configuration of the index.
    """

    def __init__(self, content: bytes | mmap, offset: int = 0, size: int | None = None) -> None:
        """Opens the table and reads the configuration.

        Raises:
            SSTableError: The content is not a table, or it is damaged.
            ScannFileError: The table does not contain an index.
        """
        self._table = SSTable(content, offset, size)
        try:
            self.config = IndexConfig.decode(self._get(CONFIG))
        except MessageError as error:
            self.close()
            raise ScannFileError(f"{CONFIG.decode()} is damaged ({error})") from error
        except BaseException:
            self.close()
            raise

    @property
    def partitions(self) -> int:
        """The number of partitions."""
        return len(self.config.global_partition_offsets)

    def partition(self, number: int) -> np.ndarray:
        """The rows of a partition, `(n, embedding_dim)` float32 or uint8; it may be unaligned.

        Raises:
            SSTableError: The block of the partition is damaged.
            ScannFileError: The partition does not exist, or its size is not a multiple of the row size.
        """
        content = self._get(f"{PARTITION}{number}".encode())
        dtype = DTYPES.get(self.config.embedding_type)
        if dtype is None:
            raise ScannFileError("the embedding type is UNSPECIFIED, expected FLOAT or UINT8")
        width = self.config.embedding_dim * dtype.itemsize
        if width == 0 or len(content) % width:
            raise ScannFileError(f"{PARTITION}{number} has {len(content)} bytes, expected a multiple of {width}")
        rows: np.ndarray = np.frombuffer(content, dtype=dtype).reshape(-1, self.config.embedding_dim)
        offsets = self.config.global_partition_offsets
        if number + 1 < len(offsets) and len(rows) != offsets[number + 1] - offsets[number]:
            raise ScannFileError(f"{PARTITION}{number} has {len(rows)} rows, expected {offsets[number + 1] - offsets[number]}")
        return rows

    def metadata(self, row: int) -> bytes:
        """The metadata of a row. It raises the errors of `partition`."""
        return bytes(self._get(f"{METADATA}{row}".encode()))

    def user_info(self) -> bytes:
        """The text of the builder; empty if there is none. It raises the SSTableError of `partition`."""
        try:
            return bytes(self._table[USER_INFO])
        except KeyError:
            return b""

    def close(self) -> None:
        """Releases the content."""
        self._table.close()

    def _get(self, key: bytes) -> memoryview:
        try:
            return self._table[key]
        except KeyError:
            raise ScannFileError(f"there is no {key.decode()}") from None
