"""From a distance to the probability that a result is relevant."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InvalidArgumentError
from .results import SearchResult


@dataclass(frozen=True)
class RelevanceCurve:
    """A logistic curve that the builder fitted to held-out queries (Platt, 1999); FORMAT.md says to which.

    Attributes:
        slope, intercept: Of `1 / (1 + exp(slope * distance + intercept))`; the slope is above 0.
        cut: The relevance below which the builder's rule calls a result weak, in [0, 1].
    """

    slope: float
    intercept: float
    cut: float

    def __call__(self, distance: float) -> float:
        """The probability that a result at this distance is relevant, in [0, 1]."""
        exponent = self.slope * distance + self.intercept
        # Each branch raises e to a power of at most 0, which cannot overflow.
        return 1 / (1 + math.exp(exponent)) if exponent < 0 else math.exp(-exponent) / (1 + math.exp(-exponent))


def relevant_only(result: SearchResult, least: float | str | None, curve: RelevanceCurve | None) -> SearchResult:
    """The neighbours whose relevance is at least `least`; none of them is an answer, too.

    Args:
        result: What was found.
        least: In [0, 1], `auto` for the curve's cut, or None for all neighbours.
        curve: The curve of the kind of query that was asked; None where the file has none.

    Raises:
        InvalidArgumentError: `least` is set and there is no curve.
    """
    if least is None:
        return result
    if curve is None:
        raise InvalidArgumentError(
            "SearchOptions.min_relevance is set, but the file has no relevance curve for this kind of query; leave it None, or build the "
            "file with maker build and held-out captions."
        )
    cut = curve.cut if isinstance(least, str) else least
    return SearchResult([n for n in result.nearest_neighbors if n.relevance is not None and n.relevance >= cut])
