"""Nests joined conditions as little as can be, so that thousands of them stay within the depth of Python's stack."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidArgumentError
from .where import Both, Condition, Either, Not

DEEPEST = 200  # levels, which Python's stack has room for


def joined(join: type[Both] | type[Either], conditions: Sequence[Condition]) -> Condition:
    """Conditions as one; its depth is the logarithm of their number."""
    if len(conditions) == 1:
        return conditions[0]
    middle = (len(conditions) + 1) // 2
    return join(joined(join, conditions[:middle]), joined(join, conditions[middle:]))


def balanced(condition: Condition) -> Condition:
    """The same condition, nested less if it is deep: a chain of thousands of `|` is as deep as it is long.

    Raises:
        InvalidArgumentError: It is deep in another way.
    """
    if _is_shallow(condition):
        return condition
    try:
        less = _rejoined(condition)
    except RecursionError:
        less = condition
    if not _is_shallow(less):
        raise InvalidArgumentError(f"where: the condition is nested deeper than {DEEPEST}; join conditions in one chain of & or of |.")
    return less


def _rejoined(condition: Condition) -> Condition:
    if isinstance(condition, Not):
        return Not(_rejoined(condition.condition))
    if not isinstance(condition, (Both, Either)):
        return condition
    join, parts, waiting = type(condition), [], [condition.second, condition.first]  # the next one is the last
    while waiting:
        part = waiting.pop()
        if isinstance(part, join):
            waiting += [part.second, part.first]
        else:
            parts.append(_rejoined(part))
    return joined(join, parts)


def _is_shallow(condition: Condition) -> bool:
    level = [condition]
    for _ in range(DEEPEST):
        below: list[Condition] = []
        for part in level:
            below += [part.first, part.second] if isinstance(part, (Both, Either)) else [part.condition] if isinstance(part, Not) else []
        if not below:
            return True
        level = below
    return False
