"""Names of parts of recordings and videos: `talk.wav#t=4,6` is the time from 4 to 6 seconds.

The syntax is that of W3C's "Media Fragments URI 1.0" (2012), section 4.2.1, so that players of browsers take such a name as an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PART = re.compile(r"(.+)#t=(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Moment:
    """A part of a recording or a video.

    Attributes:
        file: The path of the file.
        start, end: Seconds from its beginning, to a thousandth.
    """

    file: str
    start: float
    end: float

    @property
    def clock(self) -> str:
        """Where it begins and ends, as people write it: `1:04-1:07`, `1:00:00-1:00:02.5`."""
        return f"{_clock(self.start)}-{_clock(self.end)}"

    def __str__(self) -> str:
        """The name of the part."""
        return f"{self.file}#t={_seconds(self.start)},{_seconds(self.end)}"


def moment_of(name: str) -> Moment | None:
    """The part that a name says; None for the name of a whole file."""
    found = PART.fullmatch(name)
    if found is None or float(found[2]) > float(found[3]):
        return None
    return Moment(found[1], float(found[2]), float(found[3]))


def file_of(name: str) -> str:
    """The path of the file in the name of a part or of a whole file."""
    moment = moment_of(name)
    return name if moment is None else moment.file


def _clock(value: float) -> str:
    minutes, seconds = divmod(round(value, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{seconds:04.1f}".removesuffix(".0")
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown}"


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
