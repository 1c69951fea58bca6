"""This project, built by its pipeline for a recall.

`config`: `recall`, `settings` (further fields of `IndexSettings`), `tuning` and `routing` (queries to tune with, and to learn routing
from), `encoder` (embeds sentences) and `call`: `signature` (the bare `search_embedding`), or a method of `TextSearcher`:
`search_embedding` or `search` (which embeds a sentence).
"""

from __future__ import annotations

import zipfile
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FILE = "searcher.tflite"
METADATA = ("items.offsets", "items.bytes")


class Engine:
    """A searcher file."""

    def version(self) -> str:
        import ai_edge_litert.interpreter  # noqa: F401 - imported before anything is timed

        import task.text  # noqa: F401

        return f"{version('pocket-searcher')}, ai-edge-litert {version('ai-edge-litert')}"

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        from maker.pipeline.index import IndexedItems, write_index
        from maker.pipeline.tuning import IndexSettings, Queries, routing_queries

        known = {field.name for field in fields(IndexSettings)}
        if unknown := set(config["settings"]) - known:
            raise ValueError(f"IndexSettings has no {', '.join(sorted(unknown))}")
        settings = IndexSettings(recall=config["recall"], k=10, **config["settings"])
        metadata = [b"%d" % number for number in range(len(vectors))]
        tuning, routing = np.load(config["tuning"]), np.load(config["routing"])[: routing_queries(vectors)]
        queries = Queries(tuning, "the benchmark's, held out", routing, "other ones of the benchmark")
        encoder = Path(config["encoder"]) if config["encoder"] else None
        items = IndexedItems(embeddings=vectors, metadata=metadata, embedder=encoder, queries=queries)
        write_index(items, folder / FILE, settings)
        with zipfile.ZipFile(folder / FILE) as parts:
            return (folder / FILE).stat().st_size - sum(parts.getinfo(name).file_size for name in METADATA)

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        self._call = config["call"]
        if self._call == "signature":
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(str(folder / FILE), num_threads=1)
            self._runner = self._interpreter.get_signature_runner("search_embedding")
            self._search = lambda query: self._runner(query=query[None])
            return
        from task.core import BaseOptions
        from task.processor import SearchOptions
        from task.text import TextSearcher, TextSearcherOptions

        options = TextSearcherOptions(BaseOptions(str(folder / FILE), num_threads=1), search_options=SearchOptions(max_results=10))
        self._search = getattr(TextSearcher.create_from_options(options), self._call)

    def use(self, setting: None) -> None:
        pass

    def search(self, query: Any) -> Any:
        return self._search(query)

    def ids(self, result: Any) -> Any:
        if self._call == "signature":
            return result["ids"][0]
        return [neighbor.metadata for neighbor in result.nearest_neighbors]
