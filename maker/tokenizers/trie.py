"""Tries as sparse tables: a node is the place of its entry, its children are where its base plus a character lies and the node owns it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.sparse_table import place


class Trie:
    """Sequences of small numbers and what they stand for.

    Attributes:
        dead: A node without children or value, from which no step leads away.
        values: `(places,)` int32 what the sequence that ends at a node stands for; -1 where none does.
    """

    def __init__(self, entries: Iterable[tuple[int, Sequence[int], int]], roots: int = 1) -> None:
        """Takes (root, sequence, value), values not negative; nodes 0 to `roots` - 1 are the roots."""
        children: list[dict[int, int]] = [{} for _ in range(roots)]
        values = [-1] * roots
        for root, sequence, value in entries:
            node = root
            for number in sequence:
                following = children[node].get(number)
                if following is None:
                    following = children[node][number] = len(children)
                    children.append({})
                    values.append(-1)
                node = following
            values[node] = value
        inner = [number for number, node in enumerate(children) if node]
        columns = [np.array(sorted(children[number]), np.int64) for number in inner]
        bases, size = place(columns, reserved=roots)
        where = np.zeros(len(children), np.int64)
        where[:roots] = range(roots)
        for number, base in zip(inner, bases.tolist(), strict=True):
            for column, child in children[number].items():
                where[child] = base + column
        self.dead = self._last = size - 1
        self._base, self._owner, self.values = np.zeros(size, np.int32), np.full(size, -1, np.int32), np.full(size, -1, np.int32)
        for number, base, row in zip(inner, bases.tolist(), columns, strict=True):
            self._base[where[number]] = base
            self._owner[base + row] = where[number]
        self.values[where] = values

    @property
    def nbytes(self) -> int:
        """Size in the file, values included."""
        return self._base.nbytes + self._owner.nbytes + self.values.nbytes

    def step(self, g: Subgraph, node: int, number: int) -> tuple[int, int]:
        """The places that nodes lead to by numbers, which are above 0, and whether they do (bool); `[n]` each."""
        place_ = g.minimum(g.add(g.gather(self._base, node), number), np.array(self._last, np.int32))
        return place_, g.equal(g.gather(self._owner, place_), node)

    def walk(self, sequence: Sequence[int], root: int = 0) -> list[tuple[int, int]]:
        """Lengths and values of all entries that a sequence starts with; in Python."""
        node, found = root, []
        for length, number in enumerate(sequence, 1):
            following = min(int(self._base[node]) + number, self._last)
            if self._owner[following] != node:
                break
            node = following
            if self.values[node] >= 0:
                found.append((length, int(self.values[node])))
        return found
