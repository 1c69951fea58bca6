"""Golden queries: questions with the answers that every runtime has to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import SENTENCES, AnyTower
from maker.errors import BuildError
from maker.index.build import Index
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.processor import SearchResult
from task.search import GraphEngine, SearchRequest

TEXTS, VECTORS, ANSWERS = 5, 3, 10
TOLERANCE = 1e-5
PATTERN = "pattern"  # the image query: pixel (y, x, c) is (3 x + 5 y + 60 c) modulo 256


def pattern_image(height: int, width: int) -> np.ndarray:
    """The image that golden image queries ask with, `(height, width, 3)` uint8; any runtime can make it."""
    y, x, c = np.ogrid[:height, :width, :3]
    return ((3 * x + 5 * y + 60 * c) % 256).astype(np.uint8)


def record_answers(path: Path, towers: Mapping[str, AnyTower], index: Index, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Asks a model that has no manifest yet.

    Args:
        path: The file.
        towers: What it answers with, by kind.
        index: What it holds.
        texts: Queries to choose from.

    Returns:
        Entries with `signature`, `query` (a sentence, `pattern`, or a vector), of `search_tokens` the sentence's `tokens`, and `ids` and
        `distances` of the nearest ten.
    """
    entries: list[dict[str, Any]] = []
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)

        def add(signature: str, query: Any, tensors: np.ndarray | Mapping[str, np.ndarray], **more: Any) -> None:
            found = runners.run(signature, tensors)
            ids, distances = found["ids"][0][:ANSWERS], found["distances"][0][:ANSWERS]
            kept = ids >= 0
            entries.append(
                {"signature": signature, "query": query, **more, "ids": ids[kept].tolist(), "distances": _short(distances[kept])}
            )

        for kind in [kind for kind in SENTENCES if kind in towers]:
            tower = towers[kind]
            for text in list(dict.fromkeys(texts))[:TEXTS] or ["a photo"]:
                # The ids let a runtime without the tokenizer ask, too.
                add(f"search_{kind}", text, tower.prepare(text), **({"tokens": tower.tokenizer.ids(text)} if tower.tokenizer else {}))
        if "image" in towers:
            _, height, width, _ = runners.input_shape("search_image")
            add("search_image", PATTERN, pattern_image(height, width)[None])
        for item in np.linspace(0, len(index.embeddings) - 1, VECTORS).astype(int):
            vector = np.asarray(index.embeddings[item], np.float32)
            add("search_embedding", _short(vector), vector[None])
        runners.close()
    return entries


def check_answers(path: Path) -> int:
    """Opens a finished file with `task` and asks its golden queries.

    Returns:
        How many were asked.

    Raises:
        BuildError: An answer differs; the message says which.
    """
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    try:
        for entry in engine.manifest.golden:
            signature, request = entry["signature"], SearchRequest(max_results=len(entry["ids"]))
            if signature.removeprefix("search_") in SENTENCES:
                found = engine.search_text(entry["query"], request)
            elif signature == "search_image":
                found = engine.search_image(pattern_image(*engine.image_size()), request)
            else:
                found = engine.search_embedding(np.array(entry["query"], np.float32), request)
            _compare(path, entry, found, [engine.item(i) for i in entry["ids"]])
        return len(engine.manifest.golden)
    finally:
        engine.close()


def _compare(path: Path, entry: dict[str, Any], found: SearchResult, metadata: list[bytes]) -> None:
    what = f"{path}: golden query {str(entry['query'])[:60]!r} of {entry['signature']}"
    if [n.metadata for n in found.nearest_neighbors] != metadata:
        raise BuildError(f"{what} found {[n.metadata for n in found.nearest_neighbors][:3]}, expected {metadata[:3]}: the file is damaged")
    distances = np.array([n.distance for n in found.nearest_neighbors])
    worst = np.abs(distances - entry["distances"]).max(initial=0.0)
    if worst > TOLERANCE * max(1.0, np.abs(distances).max(initial=0.0)):
        raise BuildError(f"{what}: a distance is off by {worst:.2g}, expected at most {TOLERANCE}: the file is damaged")


def _short(values: np.ndarray) -> list[float]:
    """float32 values as the shortest decimals that read back the same."""
    return [float(str(v)) for v in np.asarray(values, np.float32)]
