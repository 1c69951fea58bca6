"""The collection: rows, what is done with each, and where."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from maker.collection import sources
from maker.collection.engines import Engine, Local, can_be_sent, engine_of
from maker.collection.items import Decoded, Embedded, Searched
from maker.collection.parts import Frames, Windows
from maker.collection.rows import Batch, Each, Row, Select, Shard, Step
from maker.collection.show import Shown
from maker.collection.sinks import UNFINISHED, Counts, EmbeddingFiles, ParquetFiles, Sink, WriteShard, write_npy
from maker.data.videos import parse_every
from maker.errors import DataError, UsageError
from maker.progress import progress
from maker.workspace import claim_folder, sole_writer


@dataclass(frozen=True)
class Collection:
    """Rows of items and the steps that each of them goes through.

    Nothing is read before a result is asked for: by `to_list`, by a loop over the collection, or by a method that writes files. Each
    method returns a new collection. A row is a dict by column; values that are no dicts are in the column `item`. A row that a step cannot
    do keeps its columns, gets the column `reason`, and passes the other steps unchanged: one damaged photo never ends the run.

    Examples:
        >>> from maker import Collection
        >>> doubled = Collection.from_list([1, 2, "three"]).map(lambda row: row["item"] + row["item"])
        >>> doubled.filter(lambda row: row["item"] != 2).to_list()
        [{'item': 4}, {'item': 'threethree'}]
        >>> Collection.from_list([4, 0]).map(lambda row: 1 / row["item"]).to_list()
        [{'item': 0.25}, {'item': 0, 'reason': 'ZeroDivisionError: division by zero'}]

    Attributes:
        shards: The parts of the collection. Each is read, worked on and written as one.
        steps: What its rows go through.
        runs_on: The engine.
    """

    shards: Sequence[Shard]
    steps: tuple[Step, ...] = ()
    runs_on: Engine = Local()

    @classmethod
    def from_list(cls, items: Iterable[Any], shard_size: int = sources.PART) -> Collection:
        """Rows of values in memory: dicts as they are, any other value in the column `item`.

        Args:
            items: The values.
            shard_size: Number of rows that are worked on as one.
        """
        return cls(sources.values(items, shard_size))

    @classmethod
    def from_glob(cls, pattern: str, shard_size: int = sources.PART) -> Collection:
        """A row with the column `path` for each file of a pattern such as `photos/**/*.jpg`, sorted; or for each file of a folder.

        Raises:
            DataError: There is no such file.
        """
        return cls(sources.paths(pattern, shard_size))

    @classmethod
    def from_photos(cls, folder: str | Path, shard_size: int = sources.PART) -> Collection:
        """The photos below a folder, as `maker build --images` finds them: `name`, relative to the folder, and `path`.

        Raises:
            DataError: The folder is missing or has no photos.
        """
        return cls(sources.photos(Path(folder), shard_size))

    @classmethod
    def from_parquet(cls, files: sources.Paths) -> Collection:
        """The rows of Parquet files, named by a path, a folder, a pattern or several of them. A file is a shard.

        Raises:
            DataError: There is no such file.
        """
        return cls(sources.files_as_shards(files, sources.parquet_rows))

    @classmethod
    def from_webdataset(cls, files: sources.Paths) -> Collection:
        """The samples of WebDataset's tar files: `name`, `image` and the fields of their text and JSON. A file is a shard.

        Raises:
            DataError: There is no such file.
        """
        return cls(sources.files_as_shards(files, sources.webdataset_rows))

    @classmethod
    def from_lists(cls, files: sources.Paths) -> Collection:
        """The paths in text files, one a line: `name` and `path`. A file is a shard.

        Raises:
            DataError: There is no such file.
        """
        return cls(sources.files_as_shards(files, sources.list_rows))

    @classmethod
    def from_captions(cls, file: str | Path, images: str | Path | None = None) -> Collection:
        """A row for each caption of a file in any format of `maker build --captions`.

        Its columns are `name`, `caption`, `split`, `lang`, and `path`; or, where the file contains its pictures, `image` with their bytes.

        Args:
            file: The captions.
            images: The folder of the pictures that the file names.

        Raises:
            DataError: The file is missing, in no known format, or names pictures and `images` is None.
        """
        return cls(sources.captions(Path(file), None if images is None else Path(images)))

    def map(self, function: Callable[[Row], Any]) -> Collection:
        """Replaces each row by what the function makes of it: a row, or a value for the column `item`."""
        return self.then(Each("map", function))

    def filter(self, function: Callable[[Row], Any]) -> Collection:
        """Keeps the rows for which the function is true."""
        return self.then(Each("filter", function))

    def flat_map(self, function: Callable[[Row], Iterable[Any]]) -> Collection:
        """Replaces each row by the rows or values that the function makes of it; it may be a generator."""
        return self.then(Each("flat_map", function))

    def batch(self, size: int) -> Collection:
        """Makes one row of up to `size` rows of a shard: a list in the column `batch`.

        Raises:
            UsageError: `size` is below 1.
        """
        if size < 1:
            raise UsageError(f"a batch has at least 1 row, found {size}")
        return self.then(Batch(size))

    def select(self, *columns: str) -> Collection:
        """Keeps these columns. A row without one of them is rejected."""
        return self.then(Select(columns))

    def decode(self, column: str | None = None) -> Collection:
        """Adds the column `picture`, `(height, width, 3)` uint8 RGB, upright: the picture of a path or of the bytes of an image file.

        Args:
            column: The column to read; None for the first of `image`, `path` and `item` that the row has.
        """
        return self.then(Each("map", Decoded(column)))

    def frames(self, every: str = "1s") -> Collection:
        """Replaces each video, in the column `path` or `item`, by its moments.

        Their rows have the columns `video`, `start` and `end` (seconds), and a `path` that names the moment: `decode`, `embed` and `search`
        take the frame in its middle.

        Args:
            every: Seconds of a moment, such as `1s`; or `scenes` for one from cut to cut, for which the video is decoded.

        Raises:
            UsageError: `every` is neither.
        """
        parse_every(every)
        return self.then(Each("flat_map", Frames(every)))

    def windows(self, seconds: float = 2.0) -> Collection:
        """Replaces each recording, in the column `path` or `item`, by its windows, each of which begins half a window after the last.

        Their rows have the columns `recording`, `start` and `end` (seconds), and a `path` that names the window.

        Raises:
            UsageError: `seconds` is not above 0.
        """
        if not 0 < seconds < math.inf:
            raise UsageError(f"a window has to be longer than 0 seconds, found {seconds:g}")
        return self.then(Each("flat_map", Windows(seconds)))

    def embed(self, embed: Callable[[Any], np.ndarray], column: str | None = None) -> Collection:
        """Adds the column `embedding`, `(d,)` float32.

        Args:
            embed: Called with the item, such as `maker.embedder(…)`.
            column: The column to embed; None for the first of `picture`, `image`, `path`, `item`, `caption` and `text` that the row has.
        """
        return self.then(Each("map", Embedded(embed, column)))

    def search(self, searcher: str | Path | Sequence[str | Path], k: int = 5, column: str | None = None) -> Collection:
        """Adds the column `found`: the nearest items of a searcher, the nearest first, each with `name`, `distance` and `id`.

        Args:
            searcher: The searcher, or several that are searched as one.
            k: Number of items to find.
            column: The column to ask with: an embedding, a sentence or a picture. None for `embedding`, and in a row without one for what
                `embed` would take, which the towers of the searcher embed.
        """
        files = [searcher] if isinstance(searcher, (str, Path)) else searcher
        return self.then(Each("map", Searched(tuple(map(str, files)), k, column)))

    def then(self, step: Step) -> Collection:
        """Adds a step. Modules that bring their own steps use it, as those for sounds and videos do."""
        return replace(self, steps=(*self.steps, step))

    def engine(
        self,
        name: str = "local",
        *,
        workers: int | None = None,
        address: str | None = None,
        cpus: float = 1,
        gpus: float = 0,
    ) -> Collection:
        """Says where the rows are worked on.

        Args:
            name: `local`, worker processes of this machine; or `ray`, actors of a Ray cluster, whose machines read and write the same
                paths as this one.
            workers: Number of processes or actors. None takes one a core, or all that the cluster has room for. Locally it takes this
                process alone if a step cannot be sent to others: a lambda, or a function of the main script.
            address: Of the Ray cluster, `auto` or `HOST:PORT`; None for the one of `RAY_ADDRESS`, else one that is started for the run.
            cpus: CPUs that an actor asks for.
            gpus: GPUs that an actor asks for.

        Raises:
            UsageError: The name is unknown, or `workers` is below 1.
        """
        return self.on(engine_of(name, workers=workers, address=address, cpus=cpus, gpus=gpus))

    def on(self, engine: Engine) -> Collection:
        """Works on the rows with this engine."""
        return replace(self, runs_on=engine)

    def __iter__(self) -> Iterator[Row]:
        """The rows in their order, rejected ones too. In memory are the shards that are being worked on; in this process, a row."""
        work = _Rows(self.steps)
        engine = self._engine(work)
        if isinstance(engine, Local) and engine.processes(len(self.shards)) <= 1:
            for shard in progress(self.shards, "shards", quiet=len(self.shards) < 2):
                yield from shard.rows(self.steps)
            return
        waiting: dict[int, list[Row]] = {}
        following = 0
        for number, rows in progress(self._run(work), "shards", total=len(self.shards), quiet=len(self.shards) < 2):
            waiting[number] = rows
            while following in waiting:
                yield from waiting.pop(following)
                following += 1

    def to_list(self) -> list[Row]:
        """All rows in their order, rejected ones too."""
        return list(self)

    def to_npy(self, file: str | Path) -> Counts:
        """Writes all embeddings to one file, `(n, d)` float32, and the names of their rows beside it, as `maker index` takes them.

        Rejected rows are left out; they are in a file with the suffix `.rejects.tsv`.

        Returns:
            The number of rows, and of rejected ones among them.

        Raises:
            DataError: No row has an embedding.
        """
        return write_npy(Path(file), self)

    def to_parquet(self, folder: str | Path, overwrite: bool = False) -> Counts:
        """Writes a Parquet file for each shard; rejected rows have a `reason`. Decoded pictures are left out.

        A shard whose file is there is not worked on again: the same call after an interruption does what is left. It is done again if what
        the shard is read from, an encoder, or the code of a function has changed; for what a function calls or reads, set `overwrite`.

        Args:
            folder: The folder.
            overwrite: Work on finished shards again.

        Returns:
            The number of rows, and of rejected ones among them.

        Raises:
            DataError: pyarrow is not installed, or a column has values of different types.
            BuildError: The folder has files of somebody else, or of other shards, or another run writes to it.
        """
        return self._write(ParquetFiles(Path(folder)), overwrite)

    def to_shards(self, folder: str | Path, overwrite: bool = False) -> Counts:
        """Writes for each shard its embeddings (`.npy`), and a Parquet file with the `name`, `reason` and `captions` of its rows.

        It resumes and raises as `to_parquet` does; all embeddings of a shard have to have one dimension. `maker index --shards` makes
        searchers of the folder.
        """
        return self._write(EmbeddingFiles(Path(folder)), overwrite)

    def show(self, rows: int = 10) -> None:
        """Prints the first rows as a table; in notebooks, pictures are thumbnails."""
        shown = Shown(list(islice(replace(self, runs_on=Local(1)), rows)))
        if type(sys.stderr).__module__.startswith("ipykernel."):
            from IPython.display import display

            display(shown)  # type: ignore[no-untyped-call, unused-ignore]
        else:
            sys.stdout.write(f"{shown}\n")

    def _write(self, sink: Sink, overwrite: bool) -> Counts:
        work = WriteShard.of(self.steps, sink)
        claim_folder(sink.folder)
        with sole_writer(sink.folder):
            left, counts = work.left(self.shards, overwrite)
            (unfinished := sink.folder / UNFINISHED).touch()
            done = replace(self, shards=left)._run(work)
            for _, made in progress(done, f"shards to {sink.folder.name}", total=len(left), quiet=len(left) < 2):
                counts += made
            unfinished.unlink()
        return counts

    def _engine(self, work: Callable[[Shard], Any]) -> Engine:
        """The engine: this process for what cannot be sent to others."""
        return self.runs_on if self.runs_on != Local() or can_be_sent((work, self.shards[:1])) else Local(1)

    def _run(self, work: Callable[[Shard], Any]) -> Iterator[tuple[int, Any]]:
        """Does work with each shard. Yields the number of a shard that is done, and the result."""
        try:
            yield from self._engine(work).run(work, self.shards)
        except BrokenProcessPool as error:
            raise DataError("a worker process was killed, probably because memory ran out; take smaller shards or fewer workers") from error


@dataclass(frozen=True)
class _Rows:
    """Gives the rows of a shard."""

    steps: tuple[Step, ...]

    def __call__(self, shard: Shard) -> list[Row]:
        """Its rows after the steps."""
        return list(shard.rows(self.steps))
