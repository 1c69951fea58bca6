"""An on-device ScaNN index: which keys its table has and what is under them.

`INDEX_CONFIG` is the configuration, `E_<partition>` the rows of a partition, `M_<row>` a row's metadata, `USER_INFO` the builder's own
text. Rows are numbered through the partitions in order.
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
    """The index contradicts itself."""


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
        target: Where.
        config: The configuration; its `embedding_dim` and `global_partition_offsets` are set from the partitions.
        partitions: For each leaf `(n, columns)`, float32 or uint8 as `config.embedding_type` says.
        metadata: One entry a row, in the partitions' order.
        user_info: The builder's own text.
        compress: As for `sstable.write`.

    Returns:
        The number of bytes written.

    Raises:
        ScannFileError: There are more or fewer rows than metadata, or no partitions, or rows of another type or width.
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
    """The numbers below `count`, in the order of their decimal digits: 0, 1, 10, 100, 11, …."""
    return sorted(range(count), key=str)


class ScannFile:
    """Reads an index in place.

    Attributes:
        config: Its configuration.
    """

    def __init__(self, content: bytes | mmap, offset: int = 0, size: int | None = None) -> None:
        """Opens the table and reads the configuration.

        Raises:
            SSTableError: It is no table, or it is damaged.
            ScannFileError: It holds no index.
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
        """How many there are."""
        return len(self.config.global_partition_offsets)

    def partition(self, number: int) -> np.ndarray:
        """The rows of a partition, `(n, embedding_dim)` float32 or uint8, perhaps unaligned.

        Raises:
            SSTableError: Its block is damaged.
            ScannFileError: There is none, or it is no whole number of rows.
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
        """A row's metadata; raises as `partition` does."""
        return bytes(self._get(f"{METADATA}{row}".encode()))

    def user_info(self) -> bytes:
        """The builder's own text, empty where there is none; raises SSTableError as `partition` does."""
        try:
            return bytes(self._table[USER_INFO])
        except KeyError:
            return b""

    def close(self) -> None:
        """Lets go of the content."""
        self._table.close()

    def _get(self, key: bytes) -> memoryview:
        try:
            return self._table[key]
        except KeyError:
            raise ScannFileError(f"there is no {key.decode()}") from None
