"""The parameters of a search besides the query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """The parameters of one search.

    Attributes:
        max_results: Maximum number of neighbours, at least 1.
        num_leaves: Number of leaves to search; None takes the number in the index.
        allowed: Ascending ids of the items that may be found, `(n,)` integers; all of them are scored. None searches the index.
    """

    max_results: int
    num_leaves: int | None = None
    allowed: np.ndarray | None = None
