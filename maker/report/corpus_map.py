"""A map of the corpus: embeddings in two dimensions, with landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DOTS = 3000
CELLS = (12, 8)  # columns and rows; a cell with items has one landmark
EDGE = 0.5  # percent of the items beyond each side; they are drawn on the border


@dataclass(frozen=True)
class CorpusMap:
    """Positions in [0, 1], from the left and from the top.

    Attributes:
        dots: `(n, 2)` float, for items evenly spread over the file.
        landmarks: Items and their positions, ordered from the top left.
        explained: Share of the embeddings' variance that the map shows, in [0, 1].
    """

    dots: np.ndarray
    landmarks: list[tuple[int, float, float]]
    explained: float

    @property
    def path(self) -> str:
        """The dots as an SVG path in an area of 1000 x 667."""
        return "".join(f"M{1000 * x:.0f} {667 * y:.0f}h0" for x, y in self.dots)


def map_corpus(rows: np.ndarray) -> CorpusMap:
    """Projects embeddings onto their two principal components (Pearson, 1901).

    Args:
        rows: `(n, d)` float32; at most 3,000 are drawn, evenly spread.
    """
    items = np.linspace(0, len(rows) - 1, min(DOTS, len(rows))).astype(int)
    chosen = np.asarray(rows[items], np.float64)
    chosen = chosen - chosen.mean(axis=0)
    variances, axes = np.linalg.eigh(chosen.T @ chosen)  # ascending
    axes = axes.T[::-1][:2]
    # The sign of an axis is arbitrary: make its largest component positive.
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    plane = np.zeros((len(chosen), 2))
    plane[:, : len(axes)] = chosen @ axes.T
    low, high = np.percentile(plane, (EDGE, 100 - EDGE), axis=0)
    positions = np.clip((plane - low) / np.maximum(high - low, 1e-12), 0, 1)
    explained = float(variances[-2:].sum() / max(variances.sum(), 1e-12))
    return CorpusMap(positions, _landmarks(items, positions), explained)


def _landmarks(items: np.ndarray, positions: np.ndarray) -> list[tuple[int, float, float]]:
    """The item nearest to the centre of each grid cell."""
    grid = np.array(CELLS)
    cells = np.minimum((positions * grid).astype(int), grid - 1)
    offsets = np.linalg.norm(positions * grid - cells - 0.5, axis=1)
    nearest = {}
    for index in np.argsort(-offsets, kind="stable"):
        nearest[tuple(cells[index])[::-1]] = index
    return [(int(items[i]), float(positions[i, 0]), float(positions[i, 1])) for _, i in sorted(nearest.items())]
