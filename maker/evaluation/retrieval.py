"""Measures retrieval between captions and images: by a finished searcher's results, and by its towers with exact search."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption, read_captions, select_language
from maker.embedding.features import image_features
from maker.encoders.prefix import prefix
from maker.errors import DataError
from maker.evaluation.identical_captions import KEY as IDENTICAL
from maker.evaluation.identical_captions import lenient_figures, lenient_ranks, repeated_captions
from maker.evaluation.item_check import require_items
from maker.evaluation.item_splits import ItemSplits, choose_captions
from maker.evaluation.typed_figures import measure_typed
from maker.evaluation.typed_queries import typed_queries
from maker.progress import progress, say
from maker.training.metrics import by_language, image_to_text, ranks
from maker.workspace import Rejects, Workspace
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format.manifest import Manifest
from task.format.stored_rows import StoredRows, locate_rows
from task.processor import SearchOptions
from task.processor.options import AUTO
from task.processor.relevance import relevant_only
from task.search import GraphEngine, SearchRequest
from task.text import TextSearcher, TextSearcherOptions

WARM_UP, TIMED = 20, 1000


def evaluate(
    searcher: Path,
    images: Path,
    captions: Path,
    split: str | None = None,
    language: str | None = None,
    *,
    towers: bool = True,
    work_dir: Path | None = None,
) -> dict[str, Any]:
    """Measures retrieval in both directions over the items of a searcher.

    Args:
        searcher: The file.
        images: The folder that the captions' images and the items are relative to.
        captions: The captions file.
        split: Only captions of this split of the captions file; `held-out` for the pictures that the build held out.
        language: Only captions of this language.
        towers: Also embed the items' images again, to measure the towers without the index.
        work_dir: Folder that keeps these embeddings; if None, the searcher's name with suffix `.work`.

    Returns:
        `queries`, `items`, `images` (items that captions describe), `left_out` (captions of images that are not in the file), `trained_on`
        (captions of images that the towers were trained on; None if the file does not say), `p50_ms` and `p99_ms` of
        `TextSearcher.search`. Under `file`: `text_to_image`, by the searcher's results, and `image_to_text`, by its stored rows and exact
        search. Under `towers`, if the file embeds images: both by float embeddings and exact search. Each is a
        `maker.training.metrics.retrieval`, with `languages` if there are several, and `identical_captions` where captions repeat.
        `typed_queries` is that of `maker.evaluation.typed_figures.measure_typed`, if the captions give any such queries.

    Raises:
        DataError: The captions cannot be used, there is no folder of images, or no caption describes an item.
        SearcherError: The searcher cannot be opened.
    """
    rejects = Rejects()
    readable = select_language(read_captions(captions, rejects), language, captions)
    if not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    if rejects.rows:
        say(f"{captions}: {len(rejects.rows)} rows left out ({rejects.summary()})")
    engine = GraphEngine(BaseOptions(str(searcher), num_threads=1))
    try:
        require_items(engine, searcher)
        names = [engine.item(number) for number in range(engine.manifest.items)]
        items = {name: number for number, name in enumerate(names)}
        splits = ItemSplits.decode(engine.manifest.report, len(names))
        selection = choose_captions(readable, split, captions, searcher, names, splits)
        chosen = selection.captions
        used = [caption for caption in chosen if os.fsencode(caption.image) in items]
        if not used:
            raise DataError(
                f"{captions}: none of {len(chosen)} captions describes an item of {searcher}; the first names {chosen[0].image}"
            )
        if len(used) < len(chosen):
            say(f"{captions}: left out {len(chosen) - len(used)} captions of images that are not in {searcher}")
        queries = _queries(engine, used, items)
        k = engine.manifest.k
        repeated = repeated_captions([c.text for c in used], queries.items)
        strict, lenient = _ranks(engine, used, k, {number: [names[i] for i in also] for number, also in repeated.items()})
        by_file = {"text_to_image": by_language(strict, queries.items, queries.languages, k, items=len(names))}
        if repeated:
            by_file["text_to_image"][IDENTICAL] = lenient_figures(lenient, queries.items, repeated, len(names), k)
        rows = stored_rows(searcher, engine)
        if rows is not None:
            by_file["image_to_text"] = queries.image_to_text(rows, engine.manifest.distance)
        typed = {} if rows is None else _typed(engine, used, items, rows)
        figures: dict[str, Any] = {"queries": len(used), "items": len(names), "images": len(np.unique(queries.items))}
        figures |= {"left_out": len(chosen) - len(used), "trained_on": selection.trained_on, **_latency(searcher, used), "file": by_file}
        figures |= {"typed_queries": typed} if typed else {}
        if towers and "embed_image" in engine.signatures:
            with Workspace.open(work_dir or searcher.with_suffix(".work")) as work:
                by_towers = _by_towers(searcher, images, queries, names, work, engine.manifest)
            figures |= {"towers": by_towers} if by_towers else {}
        return figures
    finally:
        engine.close()


@dataclass(frozen=True)
class _Queries:
    """Captions: their `(q, d)` float32 embeddings, the `(q,)` items that they describe, their `(q,)` languages, and their texts."""

    embeddings: np.ndarray
    items: np.ndarray
    languages: np.ndarray
    texts: list[str]

    def image_to_text(self, rows: np.ndarray, distance: str) -> dict[str, object]:
        """Retrieval of captions by image; `rows` are the embeddings of all items, `(n, d)`."""
        described, within = np.unique(self.items, return_inverse=True)
        images, texts = as_dot_products(rows[described], self.embeddings, distance)
        return image_to_text(images, texts, within, self.languages)


def _queries(engine: GraphEngine, captions: Sequence[Caption], items: dict[bytes, int]) -> _Queries:
    embeddings = [engine.embed_text(c.text) for c in progress(captions, "embed captions", quiet=len(captions) < 10_000)]
    described = np.array([items[os.fsencode(c.image)] for c in captions])
    return _Queries(np.stack(embeddings), described, np.array([c.language for c in captions]), [c.text for c in captions])


def _typed(engine: GraphEngine, captions: Sequence[Caption], items: Mapping[bytes, int], rows: np.ndarray) -> dict[str, Any]:
    """The figures of queries of one to three words; `rows` are the embeddings of all items, `(n, d)`."""
    images = sorted({c.image for c in captions})
    queries = typed_queries(captions, images)
    if not queries:
        return {}
    described = rows[[items[os.fsencode(image)] for image in images]]
    embeddings, pictures = as_dot_products(np.stack([engine.embed_text(q.text) for q in queries]), described, engine.manifest.distance)
    curve = engine.relevance_curve("text")
    answered = None
    if curve is not None:
        results = [engine.search_text(query.text, SearchRequest(max_results=1)) for query in queries]
        answered = np.array([bool(relevant_only(result, AUTO, curve).nearest_neighbors) for result in results])
    return measure_typed(queries, embeddings, pictures, "the images that the captions describe, stored rows, exact search", answered)


def _ranks(
    engine: GraphEngine, captions: Sequence[Caption], k: int, repeated: Mapping[int, Sequence[bytes]]
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks among the k results, `(q,)` int from 0: of each caption's image, and of the best image with that caption.

    A rank is k if the image is not among the results. `repeated` are the images of captions that stand for several, by number.
    """
    strict, lenient = np.full(len(captions), k), np.full(len(captions), k)
    for row, caption in enumerate(progress(captions, "search", quiet=len(captions) < 1000)):
        names = [n.metadata for n in engine.search_text(caption.text, SearchRequest(max_results=k)).nearest_neighbors]
        place = {name: rank for rank, name in enumerate(names)}
        strict[row] = place.get(os.fsencode(caption.image), k)
        lenient[row] = min([strict[row], *(place.get(name, k) for name in repeated.get(row, ()))])
    return strict, lenient


def _latency(searcher: Path, captions: Sequence[Caption]) -> dict[str, float]:
    """`p50_ms` and `p99_ms` of `TextSearcher.search` with ten results on one thread."""
    chosen = [captions[i].text for i in np.linspace(0, len(captions) - 1, min(TIMED, len(captions))).astype(int)]
    milliseconds = search_milliseconds(searcher, chosen, max_results=10)
    return {"p50_ms": round(float(np.median(milliseconds)), 3), "p99_ms": round(float(np.percentile(milliseconds, 99)), 3)}


def search_milliseconds(searcher: Path, texts: Sequence[str], max_results: int) -> np.ndarray:
    """`(t,)` milliseconds of `TextSearcher.search` for each text, on one thread after a warm-up."""
    if not texts:
        return np.empty(0)
    options = TextSearcherOptions(BaseOptions(str(searcher), num_threads=1), search_options=SearchOptions(max_results=max_results))
    times = []
    with TextSearcher.create_from_options(options) as opened:
        for text in [*(texts[i % len(texts)] for i in range(WARM_UP)), *texts]:
            begin = time.perf_counter()
            opened.search(text)
            times.append(1e3 * (time.perf_counter() - begin))
    return np.array(times[WARM_UP:])


def stored_rows(searcher: Path, engine: GraphEngine) -> np.ndarray | None:
    """`(n, d)` float32: the file's rows by item, decoded; None if the graph is unknown, so that they cannot be located."""
    with ModelFile(BaseOptions(str(searcher))) as file:
        location = locate_rows(file.content)
        if location is None:
            say(f"{searcher}: cannot locate the stored rows; image to text is left out")
            return None
        stored = StoredRows(file.content, location, engine.manifest.dimension)
        real = np.flatnonzero(stored.items >= 0)
        rows = np.empty((engine.manifest.items, engine.manifest.dimension), np.float32)
        rows[stored.items[real]] = stored.decode(real)
        return rows


def _by_towers(
    searcher: Path, images: Path, queries: _Queries, items: Sequence[bytes], work: Workspace, manifest: Manifest
) -> dict[str, Any] | None:
    """Both directions by the exported towers and exact search over the items whose images can be read, with the views of the build."""
    views, distance = int(manifest.encoders.get("image", {}).get("views", 1)), manifest.distance
    names = [item.decode("utf-8", "surrogateescape") for item in items]
    try:
        features = image_features(images, names, searcher, work, views)
    except DataError as error:
        say(f"figures of the towers are left out: {error}")
        return None
    if work.rejects.rows:
        say(f"{images}: images of {len(work.rejects.rows)} items cannot be read ({work.rejects.summary()}); exact search uses the others")
    row_of = features.rows()
    rows = np.array([row_of.get(name, -1) for name in names])
    kept = np.flatnonzero(rows[queries.items] >= 0)
    readable = _Queries(queries.embeddings[kept], rows[queries.items[kept]], queries.languages[kept], [queries.texts[i] for i in kept])
    values = np.asarray(features.values, np.float32)
    if views > 1:
        values = prefix(values, values.shape[1], normalize=distance == "dot_product")
    asked, searched = as_dot_products(readable.embeddings, values, distance)
    strict = ranks(asked, searched, readable.items)
    text_to_image = by_language(strict, readable.items, readable.languages, items=len(values))
    repeated = repeated_captions(readable.texts, readable.items)
    if repeated:
        text_to_image[IDENTICAL] = lenient_figures(lenient_ranks(strict, repeated, asked, searched), readable.items, repeated, len(values))
    return {"text_to_image": text_to_image, "image_to_text": readable.image_to_text(values, distance)}


def as_dot_products(queries: np.ndarray, items: np.ndarray, distance: str) -> tuple[np.ndarray, np.ndarray]:
    """`(q, d)` queries and `(n, d)` items, changed so that larger dot products mean smaller distances."""
    if distance == "dot_product":
        return queries, items
    norms = -0.5 * np.einsum("nd,nd->n", items, items)[:, None]
    return np.hstack([queries, np.ones((len(queries), 1), np.float32)]), np.hstack([items, norms]).astype(np.float32)
