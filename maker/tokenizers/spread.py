"""Items of several lengths, one after the other."""

from __future__ import annotations

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.values import ONE, as_flag, int32


def spread(g: Subgraph, length: int, size: int) -> tuple[int, int, int]:
    """Lays out items of several lengths one after the other.

    Args:
        g: The subgraph.
        length: `[n]` int32 lengths, which may be 0.
        size: Places; what does not fit is cut.

    Returns:
        `[size]` int32 each: the item at each place, the place's number within it, and a flag that is 0 behind the last item.
    """
    (n,) = g.shape(length)
    end = g.cumsum(length)
    start = g.sub(end, length)
    # The last item that starts at or before a place; items of no length are skipped, for the next one starts at the same place.
    begun = g.slice(g.scatter(g.minimum(start, int32(size)), np.ones(n, np.int32), size + 1), (0,), (size,))
    source = g.sub(g.cumsum(begun), ONE)
    place = np.arange(size, dtype=np.int32)
    total = g.slice(end, (n - 1,), (1,))
    return source, g.sub(place, g.gather(start, source)), as_flag(g, g.less(place, total))
