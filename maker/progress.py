"""Log lines and progress bars on stderr. Bars are shown only in terminals and notebooks."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int | None = None, quiet: bool = False) -> Iterable[T]:
    """Yields the items and shows a progress bar.

    Args:
        items: The items.
        what: Label of the bar.
        total: Number of items, if `items` has no length.
        quiet: Show no bar, for work that takes less than a second.
    """
    return tqdm(items, what, total=total, file=sys.stderr, disable=quiet or not _is_watched(), dynamic_ncols=True, leave=False)


def _is_watched() -> bool:
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")  # Jupyter and Colab, which are not terminals


def say(text: str) -> None:
    """Writes a log line to stderr, above any bar."""
    tqdm.write(text, file=sys.stderr)
