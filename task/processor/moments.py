"""Joins the results of one recording or video to spans of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..format.moment import Moment, moment_of
from .results import NearestNeighbor

GAP = 0.5  # seconds between two results of one span


@dataclass(frozen=True)
class FoundMoment:
    """A span of a recording or a video in which results lie.

    Attributes:
        moment: The file, and where the span begins and ends.
        best: The nearest of its results: the window that sounds most like the query, or the scene to show.
        results: How many results the span was joined from.
    """

    moment: Moment
    best: NearestNeighbor
    results: int


def found_moments(neighbors: Sequence[NearestNeighbor]) -> list[FoundMoment]:
    """The spans in which results lie, the nearest first: results of one file that overlap or nearly touch are one span.

    Results that are whole files are left out.

    Args:
        neighbors: The nearest first, as in `SearchResult.nearest_neighbors`.
    """
    placed: dict[str, list[tuple[Moment, int]]] = {}
    for place, neighbor in enumerate(neighbors):
        moment = moment_of(neighbor.metadata.decode("utf-8", "surrogateescape"))
        if moment is not None:
            placed.setdefault(moment.file, []).append((moment, place))
    spans: list[tuple[int, FoundMoment]] = []
    for file, moments in placed.items():
        run: list[tuple[Moment, int]] = []
        for moment, place in [*sorted(moments, key=lambda found: (found[0].start, found[1])), (None, -1)]:
            if run and (moment is None or moment.start > max(one.end for one, _ in run) + GAP):
                best = min(number for _, number in run)
                joined = Moment(file, run[0][0].start, max(one.end for one, _ in run))
                spans.append((best, FoundMoment(joined, neighbors[best], len(run))))
                run = []
            if moment is not None:
                run.append((moment, place))
    return [span for _, span in sorted(spans, key=lambda found: found[0])]
