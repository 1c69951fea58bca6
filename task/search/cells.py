"""Groups of near rows among many that were added, so that a query scans some only.

docs/format.md, "How added items are searched", has the rule. The centres are rows at even distances, moved once to the mean of their rows:
one step of Lloyd's k-means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIRST = 4096  # rows from which on there are cells; they are made anew whenever there are twice as many
ROWS_PER_CELL, MOST_CELLS = 16, 512
SAMPLE = 16  # rows a cell by which the centres are moved
LEAST_SCANNED, SCANNED = 1024, 28.0  # a query scans at least so many rows, and so many times n / sqrt(n + m), for n rows beside m others
BLOCK = 4096  # rows whose distances to all centres are computed at a time


@dataclass(frozen=True, eq=False)
class Centres:
    """The centres of cells.

    Attributes:
        made_of: Number of rows that they were made of, the first ones.
        vectors: `(c, d)` float32.
        halves: `(c,)` float32, half of the squared norm of each.
    """

    made_of: int
    vectors: np.ndarray
    halves: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, made_of: int) -> Centres:
        """The centres with these vectors."""
        return cls(made_of, vectors, np.einsum("cd,cd->c", vectors, vectors) / 2)

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """`(n,)` int64, the nearest centre of each of `(n, d)` rows by squared distance; ties go to the lower one."""
        found = [(rows[at : at + BLOCK] @ self.vectors.T - self.halves).argmax(axis=1) for at in range(0, len(rows), BLOCK)]
        return np.concatenate([np.empty(0, np.int64), *found])


def rows_of_centres(count: int) -> int:
    """The number of rows that the centres for `count` rows are made of: the largest power of two times `FIRST`; 0 if there are fewer."""
    return 0 if count < FIRST else FIRST << (count // FIRST).bit_length() - 1


def make_centres(rows: np.ndarray) -> Centres:
    """The centres made of rows, `(n, d)` float32 in the order in which they were added."""
    count = len(rows)
    cells = min(MOST_CELLS, count // ROWS_PER_CELL)
    first = Centres.of(rows[np.arange(cells) * count // cells], count)
    sample_size = min(count, SAMPLE * cells)
    sample = rows[np.arange(sample_size) * count // sample_size]
    owners = first.nearest(sample)
    sums, sizes = np.zeros(first.vectors.shape), np.bincount(owners, minlength=cells)
    np.add.at(sums, owners, sample)
    held = sizes > 0
    moved = first.vectors.copy()
    moved[held] = sums[held] / sizes[held, None]
    return Centres.of(moved, count)


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells whose rows lie one cell after the other.

    Attributes:
        centres: Their centres.
        starts: `(c + 1,)` int64, where the rows of each begin.
        sizes: `(c,)` int64, how many of them are left. Only removals change it, while it may be read.
    """

    centres: Centres
    starts: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        """The number of rows, removed ones too."""
        return int(self.starts[-1])

    def cell_of(self, place: int) -> int:
        """The cell of a row."""
        return int(np.searchsorted(self.starts, place, side="right")) - 1

    def owners(self) -> np.ndarray:
        """`(n,)` int64, the cell of each row."""
        return np.repeat(np.arange(len(self.sizes)), np.diff(self.starts))

    def best(self, query: np.ndarray, squared: bool, others: int) -> np.ndarray:
        """The cells that a query scans.

        Args:
            query: `(d,)` float32.
            squared: Whether the distance is the squared one.
            others: Number of items in the base. The more they are, the fewer of the rows are among the nearest of all.
        """
        scores = self.centres.vectors @ query
        if squared:
            scores -= self.centres.halves
        order = np.argsort(-scores)
        reached = np.cumsum(self.sizes[order])
        left = int(reached[-1])
        wanted = max(LEAST_SCANNED, int(SCANNED * left / max(left + others, 1) ** 0.5))
        return order[: int(np.searchsorted(reached, wanted)) + 1]
