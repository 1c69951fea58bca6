"""Rotary embeddings of places in a picture (Su et al., 2021; Heo et al., 2024), as the Perception Encoder has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.graph.subgraph import Subgraph

BASE = 10000.0
OFFSET = 1.0  # of the first row and column


@dataclass(frozen=True)
class Rotary:
    """Turns pairs of a head's values by angles that depend on the place.

    A pair is a value of the first half of a head and its counterpart in the second half.

    Attributes:
        cosines: `(places, width)` float32.
        sines: The same, negative in the first half.
    """

    cosines: np.ndarray
    sines: np.ndarray

    def write(self, g: Subgraph, x: int) -> int:
        """Turns `[heads, places, width]`."""
        heads, places, width = g.shape(x)
        first, second = (g.slice(x, (0, 0, start), (heads, places, width // 2)) for start in (0, width // 2))
        return g.add(g.mul(x, self.cosines), g.mul(g.concat([second, first], axis=2), self.sines))


def rotary(across: int, width: int) -> Rotary:
    """Those of a square of `across * across` patches behind a class token, which is not turned, for heads of that width."""
    bands = BASE ** -(np.arange(width // 4) / (width // 4))
    steps = np.arange(across) + OFFSET
    columns, rows = np.meshgrid(steps, steps)
    angles = np.concatenate([columns.reshape(-1, 1) * bands, rows.reshape(-1, 1) * bands], axis=1)
    angles = np.concatenate([np.zeros((1, width // 2)), angles])
    return Rotary(
        np.concatenate([np.cos(angles), np.cos(angles)], axis=1).astype(np.float32),
        np.concatenate([-np.sin(angles), np.sin(angles)], axis=1).astype(np.float32),
    )


def halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """The rows of a layer, or its bias, whose pairs are neighbours, with the pairs' first values before their second ones in each head."""
    width = len(rows) // heads
    order = np.concatenate([np.arange(0, width, 2), np.arange(1, width, 2)])
    return np.ascontiguousarray(rows.reshape(heads, width, *rows.shape[1:])[:, order].reshape(rows.shape))
