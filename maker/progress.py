"""Log lines and progress bars on stderr. Bars are shown only in terminals and notebooks, and only where tqdm is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

try:
    import tqdm
except ModuleNotFoundError:  # only the runtime is installed: `maker index` and `maker search` work without bars
    tqdm = None  # type: ignore[assignment]

T = TypeVar("T")


def progress(items: Iterable[T], what: str, total: int | None = None, quiet: bool = False) -> Iterable[T]:
    """Yields the items and shows a progress bar.

    Args:
        items: The items.
        what: Label of the bar.
        total: Number of items, if `items` has no length.
        quiet: Show no bar, for work that takes less than a second.
    """
    if tqdm is None:
        return items
    return tqdm.tqdm(items, what, total=total, file=sys.stderr, disable=quiet or not _is_watched(), dynamic_ncols=True, leave=False)


def _is_watched() -> bool:
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")  # Jupyter and Colab, which are not terminals


def say(text: str) -> None:
    """Writes a log line to stderr, above any bar."""
    if tqdm is None:
        sys.stderr.write(f"{text}\n")
    else:
        tqdm.tqdm.write(text, file=sys.stderr)
