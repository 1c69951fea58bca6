"""Relevance: the probability that a result is relevant, computed from its distance and from what is known of the query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgumentError
from .options import AUTO
from .results import NearestNeighbor, SearchResult


@dataclass(frozen=True)
class FoundCurve:
    """The part of a curve that also looks at the query (docs/format.md, relevance).

    Attributes:
        results: Number of first results that are looked at.
        shows, right: Weights of the distance of the first of them, of their mean, and of the last: for `found`, and for the relevance.
        slope: How much nearer results are more relevant, above 0.
        cut: A result with a lower relevance is weak, in [0, 1].
        gate: All results are weak if `found` is lower, in [0, 1].
    """

    results: int
    shows: tuple[float, float, float]
    right: tuple[float, float, float]
    slope: float
    cut: float
    gate: float

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> FoundCurve:
        """The curve that the manifest describes."""
        shows, right = ((float(weights[0]), float(weights[1]), float(weights[2])) for weights in (described["shows"], described["right"]))
        return cls(int(described["results"]), shows, right, described["slope"], described["cut"], described["gate"])

    def judge(self, evidence: Sequence[float], distances: Sequence[float]) -> tuple[float, list[float]]:
        """Judges the results of a query.

        Args:
            evidence: The output `evidence` of the search, two numbers.
            distances: The distances of the results, ascending, at least one. There may be more or fewer than `results`.

        Returns:
            `found`, how surely the items show what was asked for, and the relevance of each result; all in [0, 1].
        """
        looked_at = distances[: self.results]
        summary = looked_at[0], sum(looked_at) / len(looked_at), looked_at[-1]
        shows, right = (
            number + sum(weight * value for weight, value in zip(weights, summary, strict=True))
            for number, weights in zip(evidence, (self.shows, self.right), strict=True)
        )
        return sigmoid(shows), [sigmoid(right - self.slope * distance) for distance in distances]


@dataclass(frozen=True)
class RelevanceCurve:
    """A logistic curve that the builder fitted to held-out queries (Platt, 1999; see docs/format.md).

    Attributes:
        slope, intercept: Parameters of `1 / (1 + exp(slope * distance + intercept))`; the slope is above 0.
        cut: A result with a lower relevance is weak, in [0, 1].
        gate: All results of a query are weak if the first one has a lower relevance, in [0, 1]; 0 for no gate.
        found: The curve that also looks at the query, which takes the place of this one where it can; None if the file has none.
    """

    slope: float
    intercept: float
    cut: float
    gate: float = 0.0
    found: FoundCurve | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> RelevanceCurve:
        """The curve that the manifest describes."""
        found = FoundCurve.of(described["found"]) if "found" in described else None
        return cls(described["slope"], described["intercept"], described["cut"], described.get("gate", 0.0), found)

    def __call__(self, distance: float) -> float:
        """The probability that a result at this distance is relevant, in [0, 1]."""
        return sigmoid(-self.slope * distance - self.intercept)


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x))."""
    # Both branches compute e to a power of at most 0, which cannot overflow.
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def relevant_only(result: SearchResult, least: float | str | None, curve: RelevanceCurve | None) -> SearchResult:
    """The neighbours that are relevant enough; there may be none.

    Args:
        result: The result of a search.
        least: The minimum relevance, in [0, 1]; `auto` applies the gate of the curve to `SearchResult.found`, or to the first neighbour
            where that is unknown, and the cut to each neighbour; None keeps all neighbours.
        curve: The curve for the kind of query; None if the file has none.

    Raises:
        InvalidArgumentError: `least` is set and there is no curve.
    """
    if least is None:
        return result
    if curve is None:
        raise InvalidArgumentError(
            "min_relevance is set, but the file has no relevance curve for this kind of query: only single sentences have one, "
            "and no shards with different ones; leave it out, or build the file with maker build and held-out captions of what it finds."
        )
    neighbors, found = result.nearest_neighbors, result.found
    if least != AUTO:
        cut, passes = float(least), True
    elif curve.found is not None and found is not None:
        cut, passes = curve.found.cut, found >= curve.found.gate
    else:
        cut, passes = curve.cut, bool(neighbors) and _reaches(curve.gate, neighbors[0])
    return SearchResult([neighbor for neighbor in neighbors if passes and _reaches(cut, neighbor)], found)


def _reaches(least: float, neighbor: NearestNeighbor) -> bool:
    return neighbor.relevance is not None and neighbor.relevance >= least
