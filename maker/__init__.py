"""Builds one searcher.tflite from pictures and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maker.collection import Collection

__all__ = ["Collection"]


def __getattr__(name: str) -> Any:
    """Imports what the package offers at its first use: `maker --help` needs none of it."""
    if name == "Collection":
        from maker.collection import Collection

        return Collection
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
