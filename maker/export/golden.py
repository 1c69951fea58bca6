"""Golden queries: queries with the results that every runtime must return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import SENTENCES, AnyTower
from maker.errors import BuildError, EncoderError
from maker.index.build import Index
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.processor import SearchResult
from task.search import GraphEngine, SearchRequest

TEXTS, VECTORS, RESULTS = 5, 3, 10
TOLERANCE = 1e-5
# Of encoders with int8 weights, whose kernels round activations each in their own way, layer by layer. Ten blocks came to 3e-3 apart.
ROUNDED_TOLERANCE = 1e-2
PATTERN = "pattern"  # the image query: pixel (y, x, c) is (3 x + 5 y + 60 c) modulo 256; the sound: sample i is (7 i modulo 256) / 128 - 1


def pattern_image(height: int, width: int) -> np.ndarray:
    """The golden image query, `(height, width, 3)` uint8; any runtime can compute it."""
    y, x, c = np.ogrid[:height, :width, :3]
    return ((3 * x + 5 * y + 60 * c) % 256).astype(np.uint8)


def pattern_sound(samples: int) -> np.ndarray:
    """The golden sound query, `(samples,)` float32; any runtime can compute it, without rounding."""
    return (7 * np.arange(samples) % 256 / 128 - 1).astype(np.float32)


def record_answers(path: Path, towers: Mapping[str, AnyTower], index: Index, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Runs golden queries on a model that has no manifest yet.

    Args:
        path: The file.
        towers: Its towers by kind.
        index: Its index; some of its embeddings are queries.
        texts: Sentences to choose queries from.

    Returns:
        One entry per query: `signature`, `query` (a sentence, `pattern`, or a vector), the `tokens` of a `search_tokens` query, and the
        `ids` and `distances` of the ten nearest items, and a `tolerance` where runtimes differ by more than rounding of float32.

    Raises:
        EncoderError: A tower gives values that are not finite.
    """
    entries: list[dict[str, Any]] = []
    rounded = {kind for kind, tower in towers.items() if tower.source.rounds_activations(tower.signature)}
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)

        def add(signature: str, query: Any, tensors: np.ndarray | Mapping[str, np.ndarray], **more: Any) -> None:
            outputs = runners.run(signature, tensors)
            ids, distances = outputs["ids"][0][:RESULTS], outputs["distances"][0][:RESULTS]
            if not np.isfinite(distances).all():
                raise _not_finite(towers[signature.removeprefix("search_")], query)
            valid = ids >= 0
            tolerance = {"tolerance": ROUNDED_TOLERANCE} if signature.removeprefix("search_") in rounded else {}
            found = {"ids": ids[valid].tolist(), "distances": _short(distances[valid])}
            entries.append({"signature": signature, "query": query, **more, **found, **tolerance})

        for kind in [kind for kind in SENTENCES if kind in towers]:
            tower = towers[kind]
            for text in _chosen(texts):
                # With the ids, a runtime without the tokenizer can run the query too.
                add(f"search_{kind}", text, tower.prepare(text), **({"tokens": tower.tokenizer.ids(text)} if tower.tokenizer else {}))
        if "image" in towers:
            _, height, width, _ = runners.input_shape("search_image")
            add("search_image", PATTERN, pattern_image(height, width)[None])
        if "audio" in towers:
            _, samples = runners.input_shape("search_audio")
            add("search_audio", PATTERN, pattern_sound(samples)[None])
        for item in np.linspace(0, len(index.embeddings) - 1, VECTORS).astype(int):
            vector = np.asarray(index.embeddings[item], np.float32)
            add("search_embedding", _short(vector), vector[None])
        runners.close()
    return entries


def record_embeddings(path: Path, towers: Mapping[str, AnyTower], texts: Sequence[str]) -> list[dict[str, Any]]:
    """Runs golden queries on a model without items that has no manifest yet.

    Returns:
        One entry per query: `signature` (`embed_*`), `query`, `tokens` and `tolerance` as `record_answers` has them, and the `embedding`.

    Raises:
        EncoderError: A tower gives values that are not finite.
    """
    entries: list[dict[str, Any]] = []
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        for kind, tower in towers.items():
            asked: list[tuple[str, dict[str, Any], np.ndarray | Mapping[str, np.ndarray]]]
            if kind == "image":
                asked = [(PATTERN, {}, pattern_image(*runners.input_shape("embed_image")[1:3])[None])]
            elif kind == "audio":
                asked = [(PATTERN, {}, pattern_sound(runners.input_shape("embed_audio")[1])[None])]
            else:
                asked = [
                    (text, {"tokens": tower.tokenizer.ids(text)} if tower.tokenizer else {}, tower.prepare(text)) for text in _chosen(texts)
                ]
            for query, more, tensors in asked:
                embedding = runners.run(f"embed_{kind}", tensors)["embedding"][0]
                if not np.isfinite(embedding).all():
                    raise _not_finite(tower, query)
                tolerance = {"tolerance": ROUNDED_TOLERANCE} if tower.source.rounds_activations(tower.signature) else {}
                entries.append({"signature": f"embed_{kind}", "query": query, **more, "embedding": _short(embedding), **tolerance})
        runners.close()
    return entries


def _chosen(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))[:TEXTS] or ["a photo"]


def _not_finite(tower: AnyTower, query: object) -> EncoderError:
    return EncoderError(
        f"{tower.source.path}: gives values that are not finite for the query {str(query)[:60]!r}; check its weights, and how "
        "it normalises its input"
    )


def check_answers(path: Path) -> int:
    """Opens a finished file with `task` and runs its golden queries.

    Returns:
        The number of queries.

    Raises:
        BuildError: A result differs; the message says which.
        SearcherError: The file cannot be opened.
    """
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    try:
        for entry in engine.manifest.golden:
            if "embedding" in entry:
                _compare_embedding(path, entry, engine)
                continue
            signature, request = entry["signature"], SearchRequest(max_results=len(entry["ids"]))
            if signature.removeprefix("search_") in SENTENCES:
                result = engine.search_text(entry["query"], request)
            elif signature == "search_image":
                result = engine.search_image(pattern_image(*engine.image_size()), request)
            elif signature == "search_audio":
                result = engine.search_audio(pattern_sound(engine.sound_format.samples), request)
            else:
                result = engine.search_embedding(np.array(entry["query"], np.float32), request)
            _compare(path, entry, result, [engine.item(i) for i in entry["ids"]])
        return len(engine.manifest.golden)
    finally:
        engine.close()


def _compare_embedding(path: Path, entry: dict[str, Any], engine: GraphEngine) -> None:
    if entry["signature"] == "embed_image":
        found = engine.embed_image(pattern_image(*engine.image_size()))
    elif entry["signature"] == "embed_audio":
        found = engine.embed_audio(pattern_sound(engine.sound_format.samples))
    else:
        found = engine.embed_text(entry["query"])
    wanted, tolerance = np.array(entry["embedding"], np.float32), entry.get("tolerance", TOLERANCE)
    apart = np.abs(found - wanted).max() if found.shape == wanted.shape else np.inf
    if apart > tolerance * max(1.0, np.abs(wanted).max(initial=0.0)):
        raise BuildError(
            f"{path}: golden query {str(entry['query'])[:60]!r} of {entry['signature']}: a value differs by {apart:.2g}, expected at most "
            f"{tolerance}: the file is damaged; copy it again"
        )


def _compare(path: Path, entry: dict[str, Any], result: SearchResult, metadata: list[bytes]) -> None:
    query = f"{path}: golden query {str(entry['query'])[:60]!r} of {entry['signature']}"
    found = [n.metadata for n in result.nearest_neighbors]
    tolerance = entry.get("tolerance", TOLERANCE)
    if found != metadata and tolerance <= TOLERANCE:
        raise BuildError(f"{query} found {found[:3]}, expected {metadata[:3]}: the file is damaged; copy or build it again")
    distances = np.array([n.distance for n in result.nearest_neighbors])
    if len(distances) != len(entry["distances"]):
        raise BuildError(f"{query} found {len(distances)} items, expected {len(entry['distances'])}: the file is damaged; copy it again")
    worst = furthest(dict(zip(metadata, entry["distances"], strict=True)), dict(zip(found, distances.tolist(), strict=True)))
    if worst > tolerance * max(1.0, np.abs(distances).max(initial=0.0)):
        raise BuildError(
            f"{query}: a distance differs by {worst:.2g}, expected at most {tolerance}: the file is damaged; copy or build it again"
        )


def furthest(wanted: Mapping[Any, float], found: Mapping[Any, float]) -> float:
    """How far two lists of nearest items are from each other, distances by item, ascending.

    An item that only one of them has counts by how far it is from the end of the other: it was pushed out by others.
    """
    differences = [
        abs(distance - found[item]) if item in found else abs(distance - max(found.values())) for item, distance in wanted.items()
    ]
    differences += [abs(distance - max(wanted.values())) for item, distance in found.items() if item not in wanted]
    return max(differences, default=0.0)


def _short(values: np.ndarray) -> list[float]:
    """float32 values as the shortest decimals that read back the same."""
    return [float(str(v)) for v in np.asarray(values, np.float32)]
