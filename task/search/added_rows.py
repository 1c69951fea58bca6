"""The rows of added items: one after the other in memory, many of them cell by cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .cells import Cells, make_centres, rows_of_centres
from .products import products

FIRST_CAPACITY = 64
FLAT = 1 << 20  # values up to which all rows are scanned: BLAS reads so few faster than cell by cell
TAIL, TAIL_SHARE = 1024, 8  # rows behind the cells that wait to be sorted into them: so many, and at most one in eight


@dataclass(frozen=True, eq=False)
class AddedRows:
    """The added rows at one moment: views of arrays that only grow. Only `alive` and the sizes of cells may change while it is read.

    Attributes:
        rows: `(n, d)` float32. First those of the cells, then the others as they were added.
        scales, norms: `(n,)` float32: the step of each row, and its squared norm.
        ids: `(n,)` int64.
        alive: `(n,)` bool: not removed.
        known: `(n,)` int64, the ids in the order in which they were added, ascending.
        places: `(n,)` int64, where the row of each of `known` is.
        cells: The cells; None if there are few rows.
    """

    rows: np.ndarray
    scales: np.ndarray
    norms: np.ndarray
    ids: np.ndarray
    alive: np.ndarray
    known: np.ndarray
    places: np.ndarray
    cells: Cells | None = None

    @classmethod
    def allocate(cls, count: int, dimension: int) -> AddedRows:
        """Space for rows."""
        return cls(
            rows=np.empty((count, dimension), np.float32),
            scales=np.empty(count, np.float32),
            norms=np.empty(count, np.float32),
            ids=np.empty(count, np.int64),
            alive=np.empty(count, np.bool_),
            known=np.empty(count, np.int64),
            places=np.empty(count, np.int64),
        )

    def __len__(self) -> int:
        """The number of rows, removed ones too."""
        return len(self.ids)

    def first(self, count: int) -> AddedRows:
        """The first rows."""
        return replace(self, **{name: array[:count] for name, array in vars(self).items() if name != "cells"})

    def order(self, item: int) -> int:
        """The position of an item in the order in which they were added; -1 if it is not there."""
        at = int(np.searchsorted(self.known, item))
        return at if at < len(self) and self.known[at] == item else -1

    def remove(self, item: int) -> None:
        """Marks an item that is there as removed."""
        place = int(self.places[self.order(item)])
        self.alive[place] = False
        if self.cells is not None and place < len(self.cells):
            self.cells.sizes[self.cells.cell_of(place)] -= 1

    def left(self) -> np.ndarray:
        """The positions of the items that were not removed, in the order in which they were added."""
        return np.flatnonzero(self.alive[self.places])

    def places_of(self, ids: np.ndarray) -> np.ndarray:
        """Where the rows of some ids are, ascending ids; of ids that are not there, nowhere."""
        found = np.searchsorted(self.known, ids)
        held = found < len(self)
        found, ids = found[held], ids[held]
        return self.places[found[self.known[found] == ids]]

    def regrouped(self) -> AddedRows:
        """The same rows, sorted into cells if there are many that are not; else itself.

        It copies all rows whenever they have grown by an eighth, and makes new cells whenever they have doubled.
        """
        count, made_of = len(self), rows_of_centres(len(self))
        waiting = count - (len(self.cells) if self.cells else 0)
        renewed = self.cells is None or self.cells.centres.made_of < made_of
        if self.rows.size <= FLAT or not made_of or not (renewed or waiting > max(TAIL, count // TAIL_SHARE)):
            return self
        if self.cells is None or renewed:
            centres = make_centres(self.rows[self.places[:made_of]])
            owners = centres.nearest(self.rows)
        else:
            centres = self.cells.centres
            owners = np.concatenate([self.cells.owners(), centres.nearest(self.rows[len(self.cells) :])])
        sorted_places = np.argsort(owners, kind="stable")
        cell_count = len(centres.halves)
        starts = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=cell_count))])
        sizes = np.bincount(owners[self.alive], minlength=cell_count)
        moved = np.empty(count, np.int64)
        moved[sorted_places] = np.arange(count)
        by_place = {name: getattr(self, name)[sorted_places] for name in ("rows", "scales", "norms", "ids", "alive")}
        return replace(self, **by_place, places=moved[self.places], cells=Cells(centres, starts, sizes))

    def grown(self, count: int) -> AddedRows:
        """Space for `count` rows that begins with these."""
        space = AddedRows.allocate(count, self.rows.shape[1])
        for name, array in vars(self).items():
            if name != "cells":
                getattr(space, name)[: len(self)] = array
        return replace(space, cells=self.cells)

    def scanned(self, query: np.ndarray, squared: bool, others: int) -> tuple[np.ndarray | slice, np.ndarray]:
        """The places of the rows that a query scans, and their dot products with it; for the arguments see `Cells.best`."""
        cells = self.cells
        if cells is None:
            return slice(None), products(self.rows, query)
        chosen = cells.best(query, squared, others)
        starts = cells.starts[chosen]
        lengths = cells.starts[chosen + 1] - starts
        ends = np.cumsum(lengths)
        inside, behind = int(ends[-1]), len(self) - len(cells)
        dots = np.empty(inside + behind, np.float32)
        done = 0
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):  # a copy of all these rows would cost more than the calls
            np.dot(self.rows[start : start + end - done], query, out=dots[done:end])
            done = end
        dots[inside:] = products(self.rows[len(cells) :], query)
        places = np.arange(inside) + np.repeat(starts - ends + lengths, lengths)
        return np.concatenate([places, np.arange(len(cells), len(self))]), dots
