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


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
