"""A map of the corpus: embeddings in two dimensions, with a landmark in each part of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DOTS = 3000
CELLS = (12, 8)  # columns and rows, with a landmark each where there are items
EDGE = 0.5  # percent of the items beyond either side, which are drawn on the border


@dataclass(frozen=True)
class CorpusMap:
    """Positions in [0, 1], from the left and from the top.

    Attributes:
        dots: `(n, 2)` of items evenly spread over the file.
        landmarks: Items and their positions, from the top left.
        explained: Share of the embeddings' variance that the map shows.
    """

    dots: np.ndarray
    landmarks: list[tuple[int, float, float]]
    explained: float

    @property
    def path(self) -> str:
        """The dots as an SVG path in a field of 1000 x 667."""
        return "".join(f"M{1000 * x:.0f} {667 * y:.0f}h0" for x, y in self.dots)


def map_corpus(rows: np.ndarray) -> CorpusMap:
    """Projects embeddings onto their two principal components (Pearson, 1901).

    Args:
        rows: `(n, d)` float32; at most 3,000, evenly spread, are drawn.
    """
    items = np.linspace(0, len(rows) - 1, min(DOTS, len(rows))).astype(int)
    chosen = np.asarray(rows[items], np.float64)
    chosen = chosen - chosen.mean(axis=0)
    variances, axes = np.linalg.eigh(chosen.T @ chosen)  # ascending
    axes = axes.T[::-1][:2]
    # An axis has no direction of its own: its largest component is made positive.
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    plane = np.zeros((len(chosen), 2))
    plane[:, : len(axes)] = chosen @ axes.T
    low, high = np.percentile(plane, (EDGE, 100 - EDGE), axis=0)
    places = np.clip((plane - low) / np.maximum(high - low, 1e-12), 0, 1)
    explained = float(variances[-2:].sum() / max(variances.sum(), 1e-12))
    return CorpusMap(places, _landmarks(items, places), explained)


def _landmarks(items: np.ndarray, places: np.ndarray) -> list[tuple[int, float, float]]:
    """In each cell of a grid the item nearest to its middle."""
    grid = np.array(CELLS)
    cells = np.minimum((places * grid).astype(int), grid - 1)
    offsets = np.linalg.norm(places * grid - cells - 0.5, axis=1)
    found = {}
    for index in np.argsort(-offsets, kind="stable"):
        found[tuple(cells[index])[::-1]] = index
    return [(int(items[i]), float(places[i, 0]), float(places[i, 1])) for _, i in sorted(found.items())]
