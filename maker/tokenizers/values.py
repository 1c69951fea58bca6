"""Small constants and the two steps that nearly every stage takes: a flag as a number, and values moved to the front."""

from __future__ import annotations

import numpy as np

from maker.graph.subgraph import Subgraph


def int32(value: int) -> np.ndarray:
    """A scalar constant; wraps around as the kernels do."""
    value &= 0xFFFFFFFF
    return np.array(value - (1 << 32) if value >> 31 else value, np.int32)


ZERO, ONE = int32(0), int32(1)


def flags(members: str | bytes | range | list[int], size: int = 256) -> np.ndarray:
    """`(size,)` int32 table: 1 for the members, 0 for others."""
    table = np.zeros(size, np.int32)
    for member in members:
        table[ord(member) if isinstance(member, str) else member] = 1
    return table


def as_flag(g: Subgraph, condition: int) -> int:
    """A bool tensor as int32 0 or 1."""
    return g.cast(condition, np.int32)


def where(g: Subgraph, flag: int, a: int | np.ndarray, otherwise: int) -> int:
    """`a` where the int32 flag is 1, a constant where it is 0; int32."""
    return g.add(g.mul(flag, g.sub(a, int32(otherwise))), int32(otherwise))


def to_places(g: Subgraph, place: int, values: int | np.ndarray, flag: int, size: int) -> int:
    """`[size]`: the values `[n]` at their places where the int32 flag is 1, 0 elsewhere; places are within `[0, size)`."""
    updates = flag if isinstance(values, np.ndarray) and (values == 1).all() else g.mul(flag, values)
    return g.slice(g.scatter(where(g, flag, place, size), updates, size + 1), (0,), (size,))


def to_front(g: Subgraph, values: list[int], keep: int, size: int) -> list[int]:
    """Each of the `[n]` vectors without the places whose int32 flag is 0, cut or padded with 0 to `[size]`."""
    rank = g.cumsum(keep)
    keep = g.mul(keep, as_flag(g, g.less_equal(rank, int32(size))))
    place = g.sub(rank, ONE)
    return [to_places(g, place, value, keep, size) for value in values]
