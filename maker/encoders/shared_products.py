"""Matrix products of a converted model, written once for all its numbers of places: their weights are in memory once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from maker.encoders.row_blocks import ROWS, write_by_rows
from maker.graph.inlining import Rewrite, inline
from maker.graph.source import DTYPES, Source
from maker.graph.subgraph import Subgraph
from maker.graph.tensors import Op


def shared_products(source: Source, signature: str | None) -> Rewrite:
    """Writes each product of float32 rows with a constant matrix in a subgraph of its own, which other numbers of places call, too.

    Args:
        source: The model.
        signature: Which subgraph of it is copied; the first one where None.
    """

    def rewrite(g: Any, code: int, operator: Any, other: Any, place: Callable[[int], int]) -> int | None:
        if code != Op.FULLY_CONNECTED:
            return None
        x, output = int(operator.inputs[0]), int(operator.outputs[0])
        constants = [source.model.buffers[other.tensors[i].buffer].data for i in operator.inputs[1:] if i >= 0]
        if DTYPES.get(other.tensors[x].type) != np.float32 or any(data is None for data in constants):
            return None

        def product(part: Subgraph, values: list[int]) -> list[int]:
            (made,) = inline(part, source, {x: values[0]}, [output], signature)
            part.table.tensors[made].shape = [ROWS, shape[-1]]
            return [made]

        given, shape = place(x), tuple(int(d) for d in other.tensors[output].shape)
        count = int(np.prod(shape[:-1]))
        rows = g.reshape(given, (count, int(np.prod(g.shape(given))) // count))
        key = ("product", *map(id, constants), operator.builtinOptions.fusedActivationFunction)
        return int(g.reshape(write_by_rows(g, "product", [rows], product, key)[0], shape))

    return rewrite
