"""Makes rows of the parts of a file: frames of a video, windows of a recording."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maker.collection.items import PATH, item_of
from maker.collection.rows import ITEM, Row
from maker.data.sounds import seconds_of, window_spans
from maker.data.videos import parse_every, spans
from maker.errors import DataError
from task.format.moment import Moment


@dataclass(frozen=True)
class Frames:
    """A row for each moment of the video of a row."""

    every: str

    @property
    def name(self) -> str:
        """The name of the step."""
        return f"frames {self.every}"

    def __call__(self, row: Row) -> Iterator[Row]:
        """The rows: `path` names the moment, `video`, `start` and `end` say where it is."""
        path = _path(row)
        for start, end in spans(Path(path), parse_every(self.every)):
            yield _part(row, "video", Moment(path, start, end))


@dataclass(frozen=True)
class Windows:
    """A row for each window of the recording of a row."""

    seconds: float

    @property
    def name(self) -> str:
        """The name of the step."""
        return f"windows {self.seconds:g}"

    def __call__(self, row: Row) -> Iterator[Row]:
        """The rows: `path` names the window, `recording`, `start` and `end` say where it is."""
        path = _path(row)
        length = seconds_of(Path(path))
        for start, end in window_spans(length, self.seconds) or [(0.0, length)]:
            yield _part(row, "recording", Moment(path, start, end))


def _path(row: Row) -> str:
    for column in (PATH, ITEM):
        path = row.get(column)
        if isinstance(path, (str, os.PathLike)):
            if not os.path.isfile(path):
                raise DataError("missing file")
            return os.fspath(path)
    found = item_of(row, None)
    raise DataError(f"cannot take {type(found).__name__} apart; expected a path in the column {PATH} or {ITEM}")


def _part(row: Row, kind: str, moment: Moment) -> Row:
    name = row.get("name")
    named = {"name": str(Moment(name, moment.start, moment.end))} if isinstance(name, str) else {}
    rest = {column: value for column, value in row.items() if column != ITEM}
    return {**rest, **named, PATH: str(moment), kind: moment.file, "start": moment.start, "end": moment.end}
