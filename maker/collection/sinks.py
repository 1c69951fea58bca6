"""Files that collections are written to. A finished shard is a file that is there, so that an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maker.collection.items import EMBEDDING, embedding_of
from maker.collection.rows import REASON, Row, Shard, Step
from maker.data.items import write_names
from maker.errors import BuildError, DataError
from maker.workspace import Rejects, atomic, digest

KEY = b"pocket-searcher"  # in the metadata of a Parquet file: `WriteShard.key`
UNFINISHED = ".unfinished"  # a file in a folder whose shards are not all written
VERSION = 1  # changes whenever the same steps write something else


@dataclass(frozen=True)
class Counts:
    """What was written of a shard.

    Attributes:
        rows: Number of rows.
        rejected: Number of rejected ones among them.
    """

    rows: int
    rejected: int

    def __add__(self, other: Counts) -> Counts:
        """The counts of two shards."""
        return Counts(self.rows + other.rows, self.rejected + other.rejected)


class Sink(Protocol):
    """Writes shards, each to files of its own."""

    @property
    def folder(self) -> Path:
        """Where the files are."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of the files."""

    def write(self, shard: Shard, rows: Iterator[Row], key: str) -> Counts:
        """Writes a shard, atomically; the file that stands for a finished shard comes last."""

    def found(self, shard: Shard, key: str) -> Counts | None:
        """What an earlier run wrote of the same shard with the same key; None if it has to be written."""


@dataclass(frozen=True)
class WriteShard:
    """The work of an engine: writes a shard after its steps.

    Attributes:
        steps: The steps.
        sink: What writes.
        made_by: The digest of the names of the steps. It is the caller's: the states of files may look different on other machines.
    """

    steps: tuple[Step, ...]
    sink: Sink
    made_by: str

    @classmethod
    def of(cls, steps: tuple[Step, ...], sink: Sink) -> WriteShard:
        """The work of these steps."""
        return cls(steps, sink, digest(VERSION, [step.name for step in steps]))

    def __call__(self, shard: Shard) -> Counts:
        """Writes it, unless it was finished by a worker that was lost before it could say so."""
        key = self.key(shard)
        return self.sink.found(shard, key) or self.sink.write(shard, shard.rows(self.steps), key)

    def key(self, shard: Shard) -> str:
        """The digest of the steps, and that of what the shard is read from."""
        return f"{self.made_by}-{digest(shard.state)}"

    def left(self, shards: Sequence[Shard], overwrite: bool) -> tuple[list[Shard], Counts]:
        """The shards that have to be written, and the counts of the others; with `overwrite`, all have to be.

        Raises:
            BuildError: The folder has files of other shards.
        """
        sink, known = self.sink, {shard.name for shard in shards}
        for file in sorted(path for path in sink.folder.rglob("*") if path.suffix in sink.suffixes and not path.name.startswith(".")):
            if file.relative_to(sink.folder).with_suffix("").as_posix() not in known:
                raise BuildError(f"{file}: belongs to none of the shards that are written here; remove it, or choose another folder")
        left, counts = [], Counts(0, 0)
        if overwrite:
            for name in known:
                for suffix in sink.suffixes:
                    (sink.folder / f"{name}{suffix}").unlink(missing_ok=True)
        for shard in shards:
            found = sink.found(shard, self.key(shard))
            if found is None:
                left.append(shard)
            else:
                counts += found
        return left, counts


@dataclass(frozen=True)
class ParquetFiles:
    """A Parquet file for each shard. Arrays of several dimensions, such as decoded pictures, are left out."""

    folder: Path
    suffixes: tuple[str, ...] = (".parquet",)

    def write(self, shard: Shard, rows: Iterator[Row], key: str) -> Counts:
        """Writes a shard."""
        columns: dict[str, list[Any]] = {}
        count = rejected = 0
        for row in rows:
            for column, value in row.items():
                if not (isinstance(value, np.ndarray) and value.ndim > 1):
                    columns.setdefault(column, [None] * count).append(value.tolist() if isinstance(value, np.ndarray) else value)
            count += 1
            rejected += REASON in row
            for cells in columns.values():
                cells.extend([None] * (count - len(cells)))
        columns.setdefault(REASON, [None] * count)
        write_parquet(self.folder / f"{shard.name}.parquet", columns, key)
        return Counts(count, rejected)

    def found(self, shard: Shard, key: str) -> Counts | None:
        """What an earlier run wrote of the shard."""
        return read_counts(self.folder / f"{shard.name}.parquet", key)


@dataclass(frozen=True)
class EmbeddingFiles:
    """For each shard its embeddings, `(m, d)` float32 in a `.npy`, and a Parquet file: `name`, `reason` and `captions` of every row.

    The rows of the `.npy` are those without a reason, in their order. It is written last: a shard with a `.npy` is finished.
    """

    folder: Path
    suffixes: tuple[str, ...] = (".npy", ".parquet")

    def write(self, shard: Shard, rows: Iterator[Row], key: str) -> Counts:
        """Writes a shard."""
        names, reasons, captions, embeddings = [], [], [], _Embeddings()
        for number, row in enumerate(rows):
            names.append(name_of(row, number))
            captions.append(_captions(row.get("caption")))
            reasons.append(embeddings.add(row, names[-1]))
        table, target = (self.folder / f"{shard.name}{suffix}" for suffix in (".parquet", ".npy"))
        target.unlink(missing_ok=True)  # of other items: it must not stand beside the new names
        write_parquet(table, {"name": names, REASON: reasons, "captions": captions}, key)
        with atomic(target) as temporary, open(temporary, "wb") as file:
            np.save(file, embeddings.values())
        return Counts(len(names), len(names) - len(embeddings.rows))

    def found(self, shard: Shard, key: str) -> Counts | None:
        """What an earlier run wrote of the shard."""
        return read_counts(self.folder / f"{shard.name}.parquet", key) if (self.folder / f"{shard.name}.npy").exists() else None


def write_npy(file: Path, rows: Iterable[Row]) -> Counts:
    """Writes the embeddings of all rows and their names; rejected rows go to a file of their own.

    Raises:
        DataError: No row has an embedding.
    """
    names: list[str] = []
    embeddings = _Embeddings()
    rejects = Rejects()
    count = 0
    for number, row in enumerate(rows):
        count += 1
        name = name_of(row, number)
        if reason := embeddings.add(row, name):
            rejects.add(name, reason)
        else:
            names.append(name)
    if not names:
        first = f"; {rejects.rows[0][0]}: {rejects.rows[0][2]}" if rejects.rows else ""
        raise DataError(f"{file}: none of {count} rows has an embedding{first}")
    with atomic(file) as temporary, open(temporary, "wb") as out:
        np.save(out, embeddings.values())
    write_names(file, names)
    beside = file.with_suffix(".rejects.tsv")
    beside.unlink(missing_ok=True)  # of an earlier run
    if rejects.rows:
        rejects.write(beside)
    return Counts(count, count - len(names))


class _Embeddings:
    """The embeddings of rows that were not rejected, all of one dimension."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self._first = ""

    def add(self, row: Row, name: str) -> str | None:
        """Takes the embedding of a row, or says why it has none.

        Raises:
            DataError: It has another dimension than the others.
        """
        if REASON in row:
            return str(row[REASON])
        if EMBEDDING not in row:
            return f"no column {EMBEDDING!r}; found {', '.join(map(str, row))}"
        try:
            embedding = embedding_of(row[EMBEDDING])
        except DataError as error:
            return str(error)
        self._first = self._first or name
        if self.rows and len(embedding) != len(self.rows[0]):
            one, other = f"{name}: an embedding of {len(embedding)} dimensions", f"{self._first} has {len(self.rows[0])}"
            raise DataError(f"{one}, but {other}; embed all items with the same encoder")
        self.rows.append(embedding)
        return None

    def values(self) -> np.ndarray:
        """`(n, d)` float32."""
        return np.stack(self.rows) if self.rows else np.zeros((0, 0), np.float32)


def name_of(row: Row, number: int) -> str:
    """What stands for a row in results: its name, its path or its sentence; else its number in the shard."""
    return next((str(row[column]) for column in ("name", "path", "item") if isinstance(row.get(column), (str, Path))), f"row-{number:07d}")


def _captions(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


def write_parquet(path: Path, columns: dict[str, Any], key: str) -> None:
    """Writes a table with the digest of what it was made from.

    Raises:
        DataError: pyarrow is not installed, or a column has values of different types.
    """
    pyarrow = import_pyarrow(path)
    from pyarrow import parquet

    try:
        table = pyarrow.table({name: _column(pyarrow, name, values) for name, values in columns.items()})
    except (pyarrow.ArrowException, TypeError, OverflowError) as error:
        raise DataError(
            f"{path}: cannot be written as Parquet ({' '.join(str(error).split())}); select columns of one type each"
        ) from error
    with atomic(path) as temporary:
        parquet.write_table(table.replace_schema_metadata({KEY: key}), temporary)


def read_counts(path: Path, key: str) -> Counts | None:
    """The counts of a table that was made from the same; None if there is none, or it is damaged."""
    if not path.exists():
        return None
    pyarrow = import_pyarrow(path)
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(KEY) != key.encode():
                return None
            reasons = file.read([REASON])[REASON]
        return Counts(len(reasons), len(reasons) - reasons.null_count)
    except (pyarrow.ArrowException, OSError, KeyError):
        return None


def import_pyarrow(path: Path) -> Any:
    """The library of Parquet.

    Raises:
        DataError: It is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow: pip install 'pocket-searcher[formats]'") from error
    return pyarrow


def _column(pyarrow: Any, name: str, values: Any) -> Any:
    types = {REASON: pyarrow.string(), "captions": pyarrow.list_(pyarrow.string())}
    return pyarrow.array(values, types.get(name))
