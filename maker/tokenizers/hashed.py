"""Dictionaries that hold still: each key has a place of its own, found by hash and displace (Pagh, WADS 1999).

Keys with the same first hash share a displacement, which is added to their second hash; it is chosen so that no two keys of the table fall
on one place. What lies there says whether it is the key that was asked for, so a look-up is a few gathers and exact.
"""

from __future__ import annotations

import numpy as np

from maker.errors import EncoderError
from maker.graph.subgraph import Subgraph
from maker.tokenizers.values import int32

GROUP, LOAD = 4, 0.95  # keys of a displacement on average; share of the places that are taken
CANDIDATES = 256  # displacements that are tried at once
ROUNDS = 1000  # of them; in small tables the last groups may fit nowhere
ATTEMPTS = 1000  # at numbers of groups and places with which no two keys of a group share their second hash; one in six or so will do


class Hashed:
    """Places of keys that are known by two int32 hashes.

    Attributes:
        slots: `(n,)` each key's place.
        size: How many places there are.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        """Takes `(n,)` int32 hashes.

        Raises:
            EncoderError: Two keys have the same.
        """
        first, second = first.astype(np.int64), second.astype(np.int64)
        for attempt in range(ATTEMPTS):
            self._groups = len(first) // GROUP + 1 + attempt
            self.size = int(len(first) / LOAD) + 2 + attempt
            group = first % self._groups
            if len(np.unique(group * self.size + second % self.size)) == len(group):
                placed = _displace(group, second, self._groups, self.size)
                if placed is not None:
                    self._displacements, self.slots = placed
                    return
        raise EncoderError("two entries of the vocabulary share their hashes")

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return self._displacements.nbytes

    def table(self, values: np.ndarray, elsewhere: int) -> np.ndarray:
        """`(size,)` int32 with the keys' values at their places."""
        table = np.full(self.size, elsewhere, np.int32)
        table[self.slots] = values
        return table

    def find(self, g: Subgraph, first: int, second: int) -> int:
        """The only places where keys of these hashes can be; int32, of one shape."""
        displacement = g.gather(self._displacements, g.floor_mod(first, int32(self._groups)))
        return g.floor_mod(g.add(displacement, second), int32(self.size))


class Pairs(Hashed):
    """Places of pairs of non-negative int32; exact for any, since both are compared."""

    FACTORS = (0x9E3779B1, 0x85EBCA6B)

    def __init__(self, left: np.ndarray, right: np.ndarray) -> None:
        """Takes `(n,)` each, all pairs different."""
        left, right = left.astype(np.int64), right.astype(np.int64)
        super().__init__(*(wrapped(left * factor + right) for factor in self.FACTORS))
        self._left, self._right = self.table(left, -1), self.table(right, -1)

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return super().nbytes + self._left.nbytes + self._right.nbytes

    def look_up(self, g: Subgraph, left: int, right: int) -> tuple[int, int]:
        """Where pairs would be, and whether they are there (bool)."""
        slot = self.find(g, *(g.add(g.mul(left, int32(factor)), right) for factor in self.FACTORS))
        found = g.logical_and(g.equal(g.gather(self._left, slot), left), g.equal(g.gather(self._right, slot), right))
        return slot, found


def wrapped(values: np.ndarray) -> np.ndarray:
    """int64 as the kernels would have computed them in int32."""
    return values.astype(np.uint64).astype(np.uint32).view(np.int32)


def _displace(group: np.ndarray, second: np.ndarray, groups: int, size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Displacements of the groups and places of the keys, None where a group fits nowhere.

    The largest groups choose first, groups of one take what is left.
    """
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(groups + 1))
    sizes = np.diff(bounds)
    displacements, slots = np.zeros(groups, np.int64), np.zeros(len(group), np.int64)
    used = np.zeros(size, bool)
    random = np.random.default_rng(0)
    by_size = np.argsort(-sizes, kind="stable")
    for number in by_size[: int((sizes > 1).sum())].tolist():
        members = order[bounds[number] : bounds[number + 1]]
        keys = second[members]
        for _ in range(ROUNDS):
            candidates = random.integers(0, size, CANDIDATES)
            places = wrapped(keys[:, None] + candidates).astype(np.int64) % size
            free = np.logical_not(used[places].any(axis=0))
            chosen = int(free.argmax())
            if free[chosen] and len(set(places[:, chosen].tolist())) == len(members):
                break
        else:
            return None
        displacements[number], slots[members] = candidates[chosen], places[:, chosen]
        used[places[:, chosen]] = True
    single = by_size[int((sizes > 1).sum()) : int((sizes > 0).sum())]
    members, free_places = order[bounds[single]], np.flatnonzero(~used)[: len(single)]
    # Downwards from what is positive and upwards from what is not, so that no sum wraps around.
    displacements[single] = (free_places - second[members]) % size - np.where(second[members] > 0, size, 0)
    slots[members] = free_places
    return displacements.astype(np.int32), slots
