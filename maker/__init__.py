"""Builds one searcher.tflite from pictures and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maker.collection import Collection
    from maker.pipeline.embedder import embedder

__all__ = ["Collection", "embedder"]


def __getattr__(name: str) -> Any:
    """Imports what the package offers at its first use: `maker --help` needs none of it."""
    if name == "Collection":
        from maker.collection import Collection

        return Collection
    if name == "embedder":
        from maker.pipeline.embedder import embedder

        return embedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
