"""What a search is asked for, beside the query itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """How an engine answers one query.

    Attributes:
        max_results: How many neighbours at most, at least 1.
        num_leaves: How many leaves of the index are searched; None for the number that the index was built for.
        allowed: Ascending ids of the items that may be found, `(n,)` integers; all of them are scored. None leaves the choice to the index.
    """

    max_results: int
    num_leaves: int | None = None
    allowed: np.ndarray | None = None
