"""Reads a folder of shards: the embeddings of `maker embed` and `Collection.to_shards`, one shard after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maker.collection.rows import REASON
from maker.collection.sinks import KEY, UNFINISHED, import_pyarrow
from maker.data.items import read_embeddings
from maker.errors import DataError
from maker.workspace import digest

BLOCK = 1 << 16  # rows that are copied at a time


@dataclass(frozen=True)
class EmbeddingShard:
    """A finished shard.

    Attributes:
        file: Its `.npy`, `(items, d)` float32; its names are in the `.parquet` beside it.
        items: Number of embeddings.
        rejected: Number of rows without one.
        key: What it was made from, as `WriteShard.key` says.
    """

    file: Path
    items: int
    rejected: int
    key: str

    def embeddings(self) -> np.ndarray:
        """`(items, d)` float32, memory-mapped."""
        return read_embeddings(self.file)

    def rows(self) -> list[dict[str, Any]]:
        """`name` and `captions` of each embedding.

        Raises:
            DataError: They are damaged.
        """
        path = self.file.with_suffix(".parquet")
        with _opened(path) as table:
            rows = [row for row in table.read().to_pylist() if row[REASON] is None]
        if len(rows) != self.items:
            raise DataError(
                f"{path}: {len(rows)} names, but {self.items} embeddings in {self.file.name}; remove both and embed the shard again"
            )
        return rows


@dataclass(frozen=True)
class Slice:
    """The items `[first, last)` of a shard."""

    shard: EmbeddingShard
    first: int
    last: int


@dataclass(frozen=True)
class EmbeddingShards:
    """A folder of shards, whose items are numbered from shard to shard."""

    shards: list[EmbeddingShard]
    dimension: int

    @cached_property
    def starts(self) -> list[int]:
        """The number of the first item of each shard, and the number of all items."""
        return [0, *np.cumsum([shard.items for shard in self.shards]).tolist()]

    @property
    def items(self) -> int:
        """The number of embeddings."""
        return self.starts[-1]

    @property
    def rejected(self) -> int:
        """The number of rows without an embedding."""
        return sum(shard.rejected for shard in self.shards)

    @cached_property
    def bytes_per_name(self) -> float:
        """The mean length of a name of the largest shard, in bytes."""
        names = names_of([Slice(largest := max(self.shards, key=lambda shard: shard.items), 0, largest.items)])
        return sum(map(len, names)) / len(names)

    @cached_property
    def key(self) -> str:
        """The digest of what the shards were made from."""
        return digest([[shard.file.name, shard.key, shard.items] for shard in self.shards])

    def slices(self, start: int, end: int) -> list[Slice]:
        """Where the items `[start, end)` are."""
        cuts = [
            Slice(shard, max(start - begin, 0), min(end - begin, shard.items))
            for shard, begin in zip(self.shards, self.starts, strict=False)
        ]
        return [cut for cut in cuts if cut.first < cut.last]


def gather(slices: Sequence[Slice], target: Path) -> np.ndarray:
    """The embeddings of slices, `(n, d)` float32, memory-mapped: those of one shard from its file, else copied to `target`."""
    parts = [cut.shard.embeddings()[cut.first : cut.last] for cut in slices]
    if len(parts) == 1:
        return parts[0]
    gathered = np.lib.format.open_memmap(target, "w+", np.float32, (sum(map(len, parts)), parts[0].shape[1]))
    place = 0
    for part in parts:
        for begin in range(0, len(part), BLOCK):
            block = part[begin : begin + BLOCK]
            gathered[place : place + len(block)] = block
            place += len(block)
    return gathered


def names_of(slices: Sequence[Slice]) -> list[bytes]:
    """The names of slices, in UTF-8."""
    return [row["name"].encode() for cut in slices for row in cut.shard.rows()[cut.first : cut.last]]


def open_embedding_shards(folder: Path) -> EmbeddingShards:
    """Opens a folder of finished shards. Only the heads of the files are read.

    Raises:
        DataError: There are none, a shard is unfinished or damaged, or the shards were made by different encoders.
    """
    tables = sorted(folder.rglob("*.parquet"))
    if not tables:
        raise DataError(f"{folder}: no shards in it; expected the folder of maker embed --output")
    if (folder / UNFINISHED).exists():
        found = f"{folder}: the run that writes its shards has not finished"
        raise DataError(f"{found}; run it again, or remove {folder / UNFINISHED} to take what is there")
    shards, dimensions = [], dict[int, Path]()
    for path in tables:
        file = path.with_suffix(".npy")
        if not file.exists():
            raise DataError(f"{path}: has no {file.name} beside it; run the command that writes the shards again")
        embeddings = read_embeddings(file)
        with _opened(path) as table:
            rows, key = table.metadata.num_rows, (table.schema_arrow.metadata or {}).get(KEY, b"").decode()
        shards.append(EmbeddingShard(file, len(embeddings), rows - len(embeddings), key))
        if len(embeddings):
            dimensions.setdefault(embeddings.shape[1], file)
    makers = {shard.key.partition("-")[0]: shard.file for shard in shards}
    for different in (makers, dimensions):
        if len(different) > 1:
            one, other, *_ = different.values()
            raise DataError(f"{other}: made by another encoder than {one}; run the command that writes the shards again, to its end")
    if not dimensions:
        raise DataError(f"{folder}: none of its {sum(shard.rejected for shard in shards)} pictures could be embedded")
    return EmbeddingShards(shards, next(iter(dimensions)))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    pyarrow = import_pyarrow(path)
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as table:
            yield table
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())[:200]}); embed the shard again") from error
