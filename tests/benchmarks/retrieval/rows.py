"""A line of the table, and the mean of a figure over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: What was measured, and on what.
        before: The figure of 0.1.0, as text; empty if nobody measured it.
        target: The figure to reach, as text; empty for a comparison.
        measured: The figure of this run, as text.
    """

    what: str
    before: str
    target: str
    measured: str


def mean(values: Sequence[float], digits: int = 1) -> str:
    """The mean over seeds and, of several, the range."""
    rounded = [round(float(value), digits) for value in values]
    text = f"{round(float(np.mean(values)), digits)}"
    return text if len(values) == 1 else f"{text} ({min(rounded)}-{max(rounded)})"
