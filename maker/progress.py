"""Progress bars: on stderr, and only where that is a terminal or a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int | None = None, quiet: bool = False) -> Iterable[T]:
    """Yields `items` and shows how far they are.

    Args:
        items: What is worked on.
        what: The bar's label.
        total: How many there are, where `items` cannot say.
        quiet: Show nothing, for work that takes less than a second.
    """
    return tqdm(items, what, total=total, file=sys.stderr, disable=quiet or not _is_watched(), dynamic_ncols=True, leave=False)


def _is_watched() -> bool:
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")  # Jupyter's and Colab's, which is no terminal


def say(text: str) -> None:
    """Writes a line of log to stderr, above any bar."""
    tqdm.write(text, file=sys.stderr)
