"""Relevance: the probability that a result is relevant, computed from its distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InvalidArgumentError
from .options import AUTO
from .results import NearestNeighbor, SearchResult


@dataclass(frozen=True)
class RelevanceCurve:
    """A logistic curve that the builder fitted to held-out queries (Platt, 1999; see docs/format.md).

    Attributes:
        slope, intercept: Parameters of `1 / (1 + exp(slope * distance + intercept))`; the slope is above 0.
        cut: A result with a lower relevance is weak, in [0, 1].
        gate: All results of a query are weak if the first one has a lower relevance, in [0, 1]; 0 for no gate.
    """

    slope: float
    intercept: float
    cut: float
    gate: float = 0.0

    def __call__(self, distance: float) -> float:
        """The probability that a result at this distance is relevant, in [0, 1]."""
        exponent = self.slope * distance + self.intercept
        # Both branches compute e to a power of at most 0, which cannot overflow.
        return 1 / (1 + math.exp(exponent)) if exponent < 0 else math.exp(-exponent) / (1 + math.exp(-exponent))


def relevant_only(result: SearchResult, least: float | str | None, curve: RelevanceCurve | None) -> SearchResult:
    """The neighbours that are relevant enough; there may be none.

    Args:
        result: The result of a search.
        least: The minimum relevance, in [0, 1]; `auto` applies the gate of the curve to the first neighbour and the cut to each; None
            keeps all neighbours.
        curve: The curve for the kind of query; None if the file has none.

    Raises:
        InvalidArgumentError: `least` is set and there is no curve.
    """
    if least is None:
        return result
    if curve is None:
        raise InvalidArgumentError(
            "SearchOptions.min_relevance is set, but the file has no relevance curve for this kind of query, or the shards have different "
            "ones; leave it None, or build the file with maker build and held-out captions of what it finds."
        )
    gate, cut = (curve.gate, curve.cut) if least == AUTO else (0.0, float(least))
    neighbors = result.nearest_neighbors
    if not neighbors or not _reaches(gate, neighbors[0]):
        return SearchResult([])
    return SearchResult([neighbor for neighbor in neighbors if _reaches(cut, neighbor)])


def _reaches(least: float, neighbor: NearestNeighbor) -> bool:
    return neighbor.relevance is not None and neighbor.relevance >= least
