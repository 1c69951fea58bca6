"""ISO 8601 dates and times, as seconds since 1970 and the span of time that they name."""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from datetime import datetime, timedelta

ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
EPOCH = datetime(1970, 1, 1)
DAY = 24 * 60 * 60  # seconds


class MomentError(ValueError):
    """A text is no date or time."""


def seconds(text: str) -> tuple[int, bool]:
    """The second at which a date or time begins, since 1970, and whether it has an offset from UTC.

    A time with an offset is converted to UTC. One without is taken as it is. Fractions of a second are cut off.

    Raises:
        MomentError: The text is no ISO date or time.
    """
    return _parsed(text)[0], bool(_matched(text).group(7))


def span(text: str) -> tuple[int, int]:
    """The seconds since 1970 that a date or time names: its first, and the first after it. `2024` is a year, `2024-05-31` a day.

    Raises:
        MomentError: The text is no ISO date or time.
    """
    return _parsed(text)


def _matched(text: str) -> re.Match[str]:
    match = ISO.fullmatch(text.strip())
    if match is None:
        raise MomentError(f"{text[:40]!r} is no date such as 2024, 2024-05, 2024-05-31 or 2024-05-31T14:30:00")
    return match


def _parsed(text: str) -> tuple[int, int]:
    match = _matched(text)
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups()[:6])
    try:
        date = datetime(year or 0, 1 if month is None else month, 1 if day is None else day, hour or 0, minute or 0, second or 0)
    except ValueError as error:
        raise MomentError(f"{text[:40]!r} is no date: {error}") from error
    start = (date - EPOCH) // timedelta(seconds=1) - _offset(match.group(7))
    if day is None:
        days = 365 + isleap(date.year) if month is None else monthrange(date.year, date.month)[1]
        return start, start + DAY * days
    return start, start + (DAY if hour is None else 60 if second is None else 1)


def _offset(text: str | None) -> int:
    if text is None or text == "Z":
        return 0
    sign, digits = (-1 if text[0] == "-" else 1), text[1:].replace(":", "")
    return sign * (3600 * int(digits[:2]) + 60 * int(digits[2:]))
