"""Video files: finding them, naming their moments, reading frames."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.folders import parts_below
from maker.errors import DataError, UsageError
from maker.workspace import Rejects
from task.format.moment import Moment, moment_of

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".wmv", ".flv", ".ogv"}
)
SCENES = "scenes"
SECONDS = re.compile(r"(\d+(?:\.\d+)?)s?", re.ASCII)
MOST = 1_000_000  # moments of a video: what a damaged header says could take any memory
FEWEST = 0.04  # seconds between frames
AHEAD = 8.0  # seconds that are decoded rather than jumped over: jumping decodes from a key frame, which are seconds apart
SAMPLES = 8  # of a scene's frames each second that are compared
SIZE = (16, 9)  # columns and rows of a frame when frames are compared
CUT = 24.0  # mean difference of grey values, of 255, that is a cut
SHORTEST = 0.5  # seconds of a scene


def is_video_name(path: Path) -> bool:
    """Whether the suffix is that of a video."""
    return path.suffix.lower() in SUFFIXES


def parse_every(text: str) -> float | None:
    """The seconds between frames of `1s` or `0.5`; None for `scenes`.

    Raises:
        UsageError: It is neither.
    """
    if text == SCENES:
        return None
    match = SECONDS.fullmatch(text)
    if match is None or float(match[1]) < FEWEST:
        raise UsageError(f"--every {text}: expected seconds between frames such as 1s, at least {FEWEST}, or {SCENES}")
    return float(match[1])


def list_videos(folder: Path, rejects: Rejects, every: str) -> list[str]:
    """The moments of the videos below a folder, by sorted relative paths.

    Args:
        folder: Where to look.
        rejects: Gets the files that cannot be read.
        every: Seconds of a moment, such as `1s`; or `scenes` for one from cut to cut, for which every video is decoded.

    Raises:
        DataError: The folder is missing or contains no video that can be read, or PyAV is not installed.
        UsageError: `every` is neither.
    """
    seconds = parse_every(every)

    def moments(file: str) -> list[str]:
        return [str(Moment(file, start, end)) for start, end in spans(folder / file, seconds)]

    return parts_below(folder, "video", SUFFIXES, moments, rejects)


def spans(path: Path, seconds: float | None) -> list[tuple[float, float]]:
    """Start and end of the moments of a video: all `seconds` long but the last, or from cut to cut if None.

    Raises:
        DataError: The video cannot be read; the text is the reason without the path.
    """
    if seconds is None:
        return _scenes(path)
    with _opened(path) as video:
        length = video.seconds
    if length / seconds > MOST:
        raise DataError(f"its header says {length:.0f} seconds, which are more than {MOST:,} moments; take fewer, or repair the file")
    starts = np.arange(0, max(length - seconds / 2, seconds / 2), seconds).tolist()
    return [(start, round(min(start + seconds, length), 3)) for start in starts]


def load_frame(path: Path) -> np.ndarray:
    """The frame in the middle of a moment, `(height, width, 3)` uint8 RGB, upright.

    Args:
        path: The file, with the moment in its name (`task.format.moment`); without one, its first frame is taken.

    Raises:
        DataError: The file is missing, or has no such frame; the text is the reason without the path.
    """
    moment = moment_of(str(path))
    return _frames.at(path if moment is None else Path(moment.file), 0.0 if moment is None else (moment.start + moment.end) / 2)


@dataclass
class _Video:
    """An open video, which is read forwards."""

    container: Any
    stream: Any
    shown: tuple[float, Any] | None = None  # the newest frame, with its time in seconds
    _following: tuple[float, Any] | None = None
    _frames: Iterator[tuple[float, Any]] = iter(())

    @property
    def begin(self) -> float:
        """The time of its first frame by its own clock, which some formats do not start at 0."""
        return float((self.stream.start_time or 0) * self.stream.time_base)

    @property
    def seconds(self) -> float:
        """How long it is."""
        duration = self.stream.duration * self.stream.time_base if self.stream.duration else None
        if duration is None and self.container.duration:
            duration = self.container.duration / 1_000_000
        if not duration:
            raise DataError("its header does not say how long it is")
        return float(duration)

    def at(self, wanted: float) -> np.ndarray:
        """The frame that is shown at a time, in seconds: the last one that begins at or before it."""
        if self.shown is None or not self.shown[0] <= wanted <= self.shown[0] + AHEAD:
            self._jump(wanted)
        while self._following is not None and self._following[0] <= wanted:
            self.shown, self._following = self._following, next(self._frames, None)
        if self.shown is None:
            raise DataError(f"no frame at {wanted:g} seconds")
        return _upright(self.shown[1])

    def _jump(self, wanted: float) -> None:
        """Goes to a key frame at or before a time.

        In formats without an index, such as MPEG-TS, a jump may end behind it, or between key frames: then it starts earlier.
        """
        back = 0.0
        while True:
            target = max(wanted - back, -AHEAD)
            self.container.seek(int((target + self.begin) / self.stream.time_base), stream=self.stream)
            self._frames = self.frames()
            self.shown = self._following = next((one for one in self._frames if one[1].key_frame or target < 0), None)
            if target < 0 or (self.shown is not None and self.shown[0] <= wanted):
                return
            back = 2 * back or AHEAD

    def frames(self) -> Iterator[tuple[float, Any]]:
        """The frames from here on, each with its time in seconds."""
        for frame in self.container.decode(self.stream):
            if frame.time is not None:
                yield float(frame.time) - self.begin, frame

    def __enter__(self) -> _Video:
        """Returns itself."""
        return self

    def __exit__(self, *problem: object) -> None:
        """Closes the file."""
        self.container.close()


class _Frames(threading.local):
    """Keeps the newest video of each thread open: the moments of a video are read one after the other."""

    def __init__(self) -> None:
        self._path: tuple[str, int] | None = None
        self._video: _Video | None = None

    def at(self, path: Path, wanted: float) -> np.ndarray:
        """The frame of a file at a time, in seconds."""
        try:
            key = str(path), path.stat().st_mtime_ns
        except FileNotFoundError as error:
            raise DataError("missing file") from error
        if self._video is None or key != self._path:
            if self._video is not None:
                self._video.container.close()
            self._video, self._path = None, None
            self._video, self._path = _opened(path), key
        try:
            with _reasons():
                return self._video.at(wanted)
        except DataError:  # after an error, what was decoded last is no longer what comes before the next frame
            self._video.container.close()
            self._video, self._path = None, None
            raise


_frames = _Frames()


@contextmanager
def _reasons() -> Iterator[None]:
    """Says what PyAV found wrong as a `DataError`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # damaged files make FFmpeg and PyAV raise many kinds of errors
        raise DataError(f"not a video: {' '.join(str(error).split())[:120]}") from error


def _opened(path: Path) -> _Video:
    try:
        import av
    except ImportError as error:
        raise DataError("reading videos needs PyAV: pip install 'pocket-searcher[video]'") from error
    if not path.exists():
        raise DataError("missing file")
    if not path.stat().st_size:
        raise DataError("empty file")
    with _reasons():
        container = av.open(str(path))
        if not container.streams.video:
            container.close()
            raise DataError("no pictures in it")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return _Video(container, stream)


def _scenes(path: Path) -> list[tuple[float, float]]:
    """The times between cuts: where small grey frames, a few each second, differ much from the one before."""
    cuts, last, compared = [0.0], None, -1.0
    with _opened(path) as video, _reasons():
        length = video.seconds
        for time, frame in video.frames():
            if time - compared < 1 / SAMPLES:
                continue
            grey = frame.reformat(*SIZE, format="gray").to_ndarray().astype(np.float32)
            if last is not None and np.abs(grey - last).mean() > CUT and time - cuts[-1] >= SHORTEST:
                cuts.append(round(time, 3))
            last, compared = grey, time
    return list(zip(cuts, [*cuts[1:], round(length, 3)], strict=True))


def _upright(frame: Any) -> np.ndarray:
    pixels = frame.to_ndarray(format="rgb24")
    with suppress(AttributeError):  # PyAV before 14 does not say it
        pixels = np.rot90(pixels, round(frame.rotation / 90))
    return np.ascontiguousarray(pixels)
