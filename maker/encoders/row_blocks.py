"""Layers that treat each row alone, written once for any number of rows: their weights are in memory once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from maker.graph.subgraph import Subgraph

ROWS = 16


def write_by_rows(
    g: Subgraph, name: str, values: Sequence[int], write: Callable[[Subgraph, list[int]], Sequence[int]], key: Hashable
) -> list[int]:
    """What `write` makes of rows, in a subgraph of 16 rows that is called as often as needed.

    A tower at 16, 32 and 77 places would else hold its weights three times, as XNNPACK packs them anew in each subgraph.

    Args:
        g: The subgraph to add to.
        name: Name of the part.
        values: Tensors `[n, d]`; n is the same for all, d is not.
        write: Adds layers to a subgraph and returns tensors `[n, e]`. A row of them MUST depend on the same row of the values only.
        key: The same for the same layers, in this model.

    Returns:
        What `write` returns, for all n rows.
    """
    count, _ = g.shape(values[0])
    blocks = []
    for start in range(0, count, ROWS):
        size = min(ROWS, count - start)
        rows = [_padded(g, g.slice(x, (start, 0), (size, g.shape(x)[1]))) for x in values]
        made = g.call(name, rows, write, key)
        blocks.append([g.slice(x, (0, 0), (size, g.shape(x)[1])) for x in made])
    return [parts[0] if len(parts) == 1 else g.concat(list(parts)) for parts in zip(*blocks, strict=True)]


def _padded(g: Subgraph, x: int) -> int:
    size, width = g.shape(x)
    return x if size == ROWS else g.concat([x, np.zeros((ROWS - size, width), np.float32)])
