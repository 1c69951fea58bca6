"""Captions of files whose items are parts of them, such as windows of a long recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from maker.data.caption import Caption
from task.format.moment import Moment, moment_of


class Parts:
    """The items of each file."""

    def __init__(self, items: Iterable[str]) -> None:
        """Takes the names of all items."""
        self._parts: dict[str, list[tuple[str, Moment | None]]] = {}
        for item in items:
            moment = moment_of(item)
            self._parts.setdefault(moment.file if moment else item, []).append((item, moment))

    def captions(self, captions: Sequence[Caption]) -> list[Caption]:
        """The captions, each for the items that it describes.

        A caption of a whole file describes each of its parts. One of a span of time describes the parts whose middle lies in the span, and
        those in which the middle of the span lies.
        """
        return [replace(caption, image=item) for caption in captions for item in self._described(caption.image)]

    def _described(self, name: str) -> list[str]:
        if name in self._parts:
            return [item for item, _ in self._parts[name]]
        span = moment_of(name)
        parts = self._parts.get(span.file, []) if span else []
        return [item for item, moment in parts if moment is None or (span is not None and _meet(moment, span))]


def _meet(one: Moment, other: Moment) -> bool:
    """Whether the middle of one lies in the other."""
    return any(a.start <= (b.start + b.end) / 2 <= a.end for a, b in ((one, other), (other, one)))
