"""The collection: rows, what is done with each, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from maker.collection import sources
from maker.collection.engines import Engine, Local, can_be_sent
from maker.collection.rows import Batch, Each, Row, Select, Shard, Step
from maker.errors import UsageError
from maker.progress import progress


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

    def then(self, step: Step) -> Collection:
        """Adds a step. Modules that bring their own steps use it, as those for sounds and videos do."""
        return replace(self, steps=(*self.steps, step))

    def engine(self, name: str = "local", *, workers: int | None = None) -> Collection:
        """Says where the rows are worked on.

        Args:
            name: `local`: worker processes of this machine.
            workers: Number of processes. None takes one a core, or this process alone if a step cannot be sent to others: a lambda, or a
                function of the main script.

        Raises:
            UsageError: The name is unknown, or `workers` is below 1.
        """
        if name != "local":
            raise UsageError(f"engine {name!r}: unknown; expected local")
        if workers is not None and workers < 1:
            raise UsageError(f"at least 1 worker is needed, found {workers}")
        return replace(self, runs_on=Local(workers))

    def __iter__(self) -> Iterator[Row]:
        """The rows in their order, rejected ones too."""
        waiting: dict[int, list[Row]] = {}
        following = 0
        for number, rows in progress(self._run(_Rows(self.steps)), "shards", total=len(self.shards), quiet=len(self.shards) < 2):
            waiting[number] = rows
            while following in waiting:
                yield from waiting.pop(following)
                following += 1

    def to_list(self) -> list[Row]:
        """All rows in their order, rejected ones too."""
        return list(self)

    def _run(self, work: Callable[[Shard], Any]) -> Iterator[tuple[int, Any]]:
        """Does work with each shard. Yields the number of a shard that is done, and the result."""
        engine = self.runs_on
        if engine == Local() and not can_be_sent((work, self.shards[:1])):
            engine = Local(1)
        return engine.run(work, self.shards)


@dataclass(frozen=True)
class _Rows:
    """Gives the rows of a shard."""

    steps: tuple[Step, ...]

    def __call__(self, shard: Shard) -> list[Row]:
        """Its rows after the steps."""
        return list(shard.rows(self.steps))
