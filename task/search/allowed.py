"""Filters: the items that a search may find, as callers pass them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from ..errors import ArgumentTypeError, InvalidArgumentError

Name: TypeAlias = str | bytes  # the metadata of an item
Allowed: TypeAlias = Iterable[int | Name] | np.ndarray  # ids, metadata, or a boolean mask


def allowed_items(allowed: Allowed, items: int, least: int) -> np.ndarray:
    """The ids of a filter, ascending and unique, int64.

    Args:
        allowed: Ids in any order, or a boolean array with one value per id.
        items: Number of ids.
        least: Minimum length of a mask. Items after its end were added after the mask was made; they are not allowed.

    Raises:
        InvalidArgumentError: An id does not exist, a mask has another length, or `allowed` is neither ids nor a mask.
    """
    if isinstance(allowed, (str, bytes)):
        raise ArgumentTypeError(f"allowed has to be ids or a boolean mask, found {type(allowed).__name__}.")
    try:
        values = allowed if isinstance(allowed, np.ndarray) else np.array(list(allowed))
    except (TypeError, ValueError) as error:  # ValueError: sequences of different lengths
        raise ArgumentTypeError(f"allowed has to be ids or a boolean mask, found {type(allowed).__name__}.") from error
    if values.ndim != 1 or (values.size and values.dtype.kind not in "biu"):
        raise ArgumentTypeError(f"allowed has to be ids or a boolean mask of one dimension, found {values.dtype} {values.shape}.")
    if values.dtype == np.bool_:
        if not least <= len(values) <= items:
            raise InvalidArgumentError(f"the mask of allowed items has {len(values)} values, expected one for each of {items}.")
        return np.flatnonzero(values)
    ids = values.astype(np.int64)
    if not (ids[1:] > ids[:-1]).all():
        ids = np.unique(ids)
    if len(ids) and (ids[0] < 0 or ids[-1] >= items):
        raise InvalidArgumentError(f"allowed names item {ids[0] if ids[0] < 0 else ids[-1]}, expected ids from 0 to {items - 1}.")
    return ids
