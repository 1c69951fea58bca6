"""Sparse tables stored in a line: every row is moved until its entries fall on free places (Tarjan and Yao, CACM 22(11), 1979).

The entry of a row and a column lies at `base[row] + column`; its owner's number there says whether it is that row's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WINDOW, WIDEST_WINDOW = 64, 8192
SIZES = 16  # rows of that many entries and more start looking at the same place
LOOK_BACK = 32768  # places before the last row of that size that are tried again


def place(rows: Sequence[np.ndarray], reserved: int = 0) -> tuple[np.ndarray, int]:
    """Finds a base for each row.

    Args:
        rows: The columns of each, ascending and distinct.
        reserved: Places at the start that stay free.

    Returns:
        `(len(rows),)` int32 bases, none negative, so that all `bases[i] + rows[i]` differ; and the number of places, the last of which
        is free. A row without entries has base 0.
    """
    bases = np.zeros(len(rows), np.int32)
    sizes = np.array([len(row) for row in rows], np.int64)
    widest = max((int(row[-1]) + 1 for row in rows if len(row)), default=1)
    used = np.zeros(int(sizes.sum()) * 2 + 2 * widest + reserved + WIDEST_WINDOW, bool)
    used[:reserved] = True
    starts = np.zeros(SIZES + 1, np.int64)
    for number in np.argsort(-sizes, kind="stable").tolist():
        if sizes[number] < 2:
            break  # rows of one entry fit anywhere: they fill the gaps afterwards
        row, size = rows[number], min(int(sizes[number]), SIZES)
        first, used = _first_fit(used, row, max(int(starts[size]), int(row[0]), reserved))
        starts[size] = max(int(starts[size]), first - LOOK_BACK)
        bases[number] = first - row[0]
        used[bases[number] + row] = True
    _fill_gaps(rows, np.flatnonzero(sizes == 1), bases, used)
    taken = np.flatnonzero(used)
    return bases, (int(taken[-1]) if len(taken) else 0) + 2


def _first_fit(used: np.ndarray, row: np.ndarray, start: int) -> tuple[int, np.ndarray]:
    """The first place from `start` on for the row's first entry, and `used`, longer where it had to grow."""
    behind = row[1:] - row[0]
    window = WINDOW
    while True:
        if start + window + int(behind[-1]) >= len(used):
            used = np.concatenate([used, np.zeros(len(used), bool)])
        free = ~used[start : start + window]
        for distance in behind.tolist():
            free &= ~used[start + distance : start + distance + window]
            if not free.any():
                break
        at = int(free.argmax())
        if free[at]:
            return start + at, used
        start += window
        window = min(window * 2, WIDEST_WINDOW)


def _fill_gaps(rows: Sequence[np.ndarray], single: np.ndarray, bases: np.ndarray, used: np.ndarray) -> None:
    """Puts rows of one entry on free places, those of low columns on low places."""
    columns = np.array([int(rows[number][0]) for number in single], np.int64)
    order = np.argsort(columns, kind="stable")
    free = np.flatnonzero(~used)
    lowest, following = np.searchsorted(free, columns[order]), 0
    for number, column, least in zip(single[order].tolist(), columns[order].tolist(), lowest.tolist(), strict=True):
        following = max(following, least)
        bases[number] = free[following] - column
        following += 1
    used[bases[single] + columns] = True
