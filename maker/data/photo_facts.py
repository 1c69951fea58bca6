"""What photos say about themselves: file name, folder, and date and place from EXIF."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from maker.data.image_names import normal
from maker.data.videos import is_video_name
from task.format import facts
from task.format.facts import Column
from task.format.moment import file_of, moment_of
from task.search.moments import MomentError, seconds

# EXIF 2.32: tags of the main directory, of the Exif directory and of the GPS directory.
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
CHANGED, ORIGINAL, DIGITISED = 0x0132, 0x9003, 0x9004
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4


def photo_facts(folder: Path, images: Sequence[str], exif: bool) -> dict[str, Column]:
    """The facts of photos as columns.

    Args:
        folder: The folder that the paths are relative to.
        images: Paths of the photos.
        exif: Whether to read date and place, too. Times are those of the camera's clock, without a zone.

    Returns:
        `name` and `folder`; `taken`, `lat` and `lon` (degrees) if at least one photo has them. Where a photo has no such value, or one that
        cannot be read, nothing is known.
    """
    columns = path_facts(images)
    if exif:
        found = [read_exif(folder / image) for image in images]
        taken, places = [taken for taken, _ in found], [place for _, place in found]
        if any(value is not None for value in taken):
            columns["taken"] = facts.numbers(taken, time=True)
        if any(places):
            columns["lat"] = facts.numbers([place and place[0] for place in places])
            columns["lon"] = facts.numbers([place and place[1] for place in places])
    return columns


def path_facts(images: Sequence[str]) -> dict[str, Column]:
    """The columns `name` and `folder` of items, from their paths; in the normal form that people type in filters.

    Where items are parts of recordings or videos, also `recording` or `video`, which is the path, and `start` and `end` in seconds.
    """
    paths = [PurePosixPath(normal(file_of(image))) for image in images]
    parents = ["" if path.parent == PurePosixPath(".") else str(path.parent) for path in paths]
    columns: dict[str, Column] = {"name": facts.texts([path.name for path in paths]), "folder": facts.texts(parents)}
    moments = [moment_of(image) for image in images]
    if any(moments):
        columns["video" if is_video_name(Path(paths[0])) else "recording"] = facts.texts([str(path) for path in paths])
        columns["start"] = facts.numbers([moment.start if moment else None for moment in moments])
        columns["end"] = facts.numbers([moment.end if moment else None for moment in moments])
    return columns


def read_exif(path: Path) -> tuple[int | None, tuple[float, float] | None]:
    """When and where a photo was taken: seconds since 1970 by the camera's clock, latitude and longitude in degrees; None if unknown."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd EXIF
            with Image.open(path) as image:
                main = image.getexif()
                details, gps = dict(main.get_ifd(EXIF_DIRECTORY)), dict(main.get_ifd(GPS_DIRECTORY))
                dates = [details.get(ORIGINAL), details.get(DIGITISED), main.get(CHANGED)]
    except Exception:  # for damaged EXIF, Pillow raises many kinds of errors
        return None, None
    return next((second for date in dates if (second := _second(date)) is not None), None), _place(gps)


def _second(date: Any) -> int | None:
    """The second of an EXIF date such as `2024:05:31 14:30:00`."""
    if not isinstance(date, str) or len(date) < 19:
        return None
    try:
        return seconds(f"{date[:10].replace(':', '-')}T{date[11:19]}")[0]
    except MomentError:  # cameras write 0000:00:00 if their clock is not set
        return None


def _place(gps: dict[int, Any]) -> tuple[float, float] | None:
    latitude = _degrees(gps.get(LATITUDE), gps.get(LATITUDE_REF), "NS", 90)
    longitude = _degrees(gps.get(LONGITUDE), gps.get(LONGITUDE_REF), "EW", 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degrees(values: Any, reference: Any, signs: str, most: int) -> float | None:
    """Degrees from degrees, minutes and seconds, with six decimals (11 cm); None if they are damaged."""
    try:
        degrees, minutes, seconds_ = (float(value) for value in values)
        total = round(degrees + minutes / 60 + seconds_ / 3600, 6)
        return (-total if reference == signs[1] else total) if reference in tuple(signs) and 0 <= total <= most else None
    except (TypeError, ValueError, ZeroDivisionError):
        return None
