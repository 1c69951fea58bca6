"""Retrieval between captions and images: by the answers of a finished searcher, and by its towers with exact search."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption, read_captions, select_language, select_split
from maker.data.image_names import ImageNames
from maker.embedding.features import image_features
from maker.errors import DataError
from maker.progress import progress, say
from maker.training.metrics import by_language, image_to_text, ranks
from maker.workspace import Rejects, Workspace
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.format.stored_rows import StoredRows, locate_rows
from task.processor import SearchOptions
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
    """Retrieval in both directions over the items that the file holds.

    Args:
        searcher: The file.
        images: The folder that the captions' images and the items are relative to.
        captions: The captions file.
        split: Only captions of this split.
        language: Only captions of this language.
        towers: Also embed the items' images again, for the towers' own figures.
        work_dir: Where those embeddings are kept; the searcher's name with suffix `.work` where None.

    Returns:
        `queries`, `items`, `images` (items that captions describe), `left_out` (captions of images that the file does not hold), `p50_ms`
        and `p99_ms` of `TextSearcher.search`; under `file` `text_to_image`, by its answers, and `image_to_text`, by its stored rows among
        the captions; under `towers` both by float embeddings and exact search, where the file embeds images. Each is a
        `maker.training.metrics.retrieval` with `languages`, where there are several.

    Raises:
        DataError: The captions cannot be used, or none is about an image that the file holds.
    """
    rejects = Rejects()
    chosen = select_split(select_language(read_captions(captions, rejects), language, captions), split, captions)
    if not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    if rejects.rows:
        say(f"{captions}: {len(rejects.rows)} rows left out ({rejects.summary()})")
    engine = GraphEngine(BaseOptions(str(searcher), num_threads=1))
    try:
        names = [engine.item(number) for number in range(engine.manifest.items)]
        items = {name: number for number, name in enumerate(names)}
        asked = _about(chosen, items)
        if not asked:
            raise DataError(f"{captions}: none of {len(chosen)} captions is about an item of {searcher}; the first names {chosen[0].image}")
        if len(asked) < len(chosen):
            say(f"{captions}: {len(chosen) - len(asked)} captions are about images that {searcher} does not hold; they are left out")
        queries = _queries(engine, asked, items)
        k = engine.manifest.k
        answers = {"text_to_image": by_language(_places(engine, asked, k), queries.items, queries.languages, k)}
        rows = stored_rows(searcher, engine)
        if rows is not None:
            answers["image_to_text"] = queries.image_to_text(rows, engine.manifest.distance)
        figures: dict[str, Any] = {"queries": len(asked), "items": len(names), "images": len(np.unique(queries.items))}
        figures |= {"left_out": len(chosen) - len(asked), **_latency(searcher, asked), "file": answers}
        if towers and "embed_image" in engine.signatures:
            with Workspace.open(work_dir or searcher.with_suffix(".work")) as work:
                found = _by_towers(searcher, images, queries, names, work, engine.manifest.distance)
            figures |= {"towers": found} if found else {}
        return figures
    finally:
        engine.close()


def _about(captions: Sequence[Caption], items: Mapping[bytes, int]) -> list[Caption]:
    """The captions about items, with the image named as the item is."""
    names = ImageNames(item.decode("utf-8", "surrogateescape") for item in items)
    return [replace(caption, image=name) for caption in captions if (name := names.of(caption)) is not None]


@dataclass(frozen=True)
class _Queries:
    """Captions: `(q, d)` float32 embeddings, `(q,)` the item that each describes, `(q,)` their languages."""

    embeddings: np.ndarray
    items: np.ndarray
    languages: np.ndarray

    def image_to_text(self, rows: np.ndarray, distance: str) -> dict[str, object]:
        """Of all items' `(n, d)` embeddings."""
        described, within = np.unique(self.items, return_inverse=True)
        images, texts = as_dot_products(rows[described], self.embeddings, distance)
        return image_to_text(images, texts, within, self.languages)


def _queries(engine: GraphEngine, asked: Sequence[Caption], items: dict[bytes, int]) -> _Queries:
    texts = progress(asked, "embed captions", quiet=len(asked) < 10_000)
    embeddings = np.stack([engine.embed_text(caption.text) for caption in texts])
    return _Queries(embeddings, np.array([items[os.fsencode(c.image)] for c in asked]), np.array([c.language for c in asked]))


def _places(engine: GraphEngine, asked: Sequence[Caption], k: int) -> np.ndarray:
    """`(q,)` the place from 0 of each caption's image among the k answers; k where it is not among them."""
    places = np.full(len(asked), k)
    for row, caption in enumerate(progress(asked, "ask", quiet=len(asked) < 1000)):
        names = [n.metadata for n in engine.search_text(caption.text, SearchRequest(max_results=k)).nearest_neighbors]
        target = os.fsencode(caption.image)
        if target in names:
            places[row] = names.index(target)
    return places


def _latency(searcher: Path, asked: Sequence[Caption]) -> dict[str, float]:
    """Of `TextSearcher.search` with ten results on one thread."""
    chosen = [asked[i].text for i in np.linspace(0, len(asked) - 1, min(TIMED, len(asked))).astype(int)]
    options = TextSearcherOptions(BaseOptions(str(searcher), num_threads=1), search_options=SearchOptions(max_results=10))
    times = []
    with TextSearcher.create_from_options(options) as opened:
        for text in [*chosen[:WARM_UP], *chosen]:
            begin = time.perf_counter()
            opened.search(text)
            times.append(time.perf_counter() - begin)
    measured = times[-len(chosen) :]
    return {"p50_ms": round(1e3 * float(np.median(measured)), 3), "p99_ms": round(1e3 * float(np.percentile(measured, 99)), 3)}


def stored_rows(searcher: Path, engine: GraphEngine) -> np.ndarray | None:
    """`(n, d)` float32: what the file's quantised rows stand for, by item; None where the graph is of an unknown make."""
    with ModelFile(BaseOptions(str(searcher))) as file:
        places = locate_rows(file.content)
        if places is None:
            say(f"{searcher}: the stored rows cannot be located; image to text is left out")
            return None
        stored = StoredRows(file.content, places, engine.manifest.dimension)
        real = np.flatnonzero(stored.items >= 0)
        rows = np.empty((engine.manifest.items, engine.manifest.dimension), np.float32)
        rows[stored.items[real]] = stored.decode(real)
        return rows


def _by_towers(
    searcher: Path, images: Path, queries: _Queries, items: Sequence[bytes], work: Workspace, distance: str
) -> dict[str, Any] | None:
    """Both directions by the exported towers and exact search over the items whose images can be read."""
    names = [item.decode("utf-8", "surrogateescape") for item in items]
    try:
        features = image_features(images, names, searcher, work)
    except DataError as error:
        say(f"the towers' own figures are left out: {error}")
        return None
    if work.rejects.rows:
        say(f"{images}: {len(work.rejects.rows)} items' images cannot be read ({work.rejects.summary()}); exact search is over the others")
    row_of = features.rows()
    rows = np.array([row_of.get(name, -1) for name in names])
    kept = np.flatnonzero(rows[queries.items] >= 0)
    asked = _Queries(queries.embeddings[kept], rows[queries.items[kept]], queries.languages[kept])
    values = np.asarray(features.values, np.float32)
    found = ranks(*as_dot_products(asked.embeddings, values, distance), asked.items)
    return {
        "text_to_image": by_language(found, asked.items, asked.languages),
        "image_to_text": asked.image_to_text(values, distance),
    }


def as_dot_products(queries: np.ndarray, items: np.ndarray, distance: str) -> tuple[np.ndarray, np.ndarray]:
    """Queries and items whose dot products order the items as the distance does."""
    if distance == "dot_product":
        return queries, items
    norms = -0.5 * np.einsum("nd,nd->n", items, items)[:, None]
    return np.hstack([queries, np.ones((len(queries), 1), np.float32)]), np.hstack([items, norms]).astype(np.float32)


def items_of(searcher: Path) -> tuple[set[bytes], int]:
    """The metadata of all items, and how many of them a query returns at most."""
    engine = GraphEngine(BaseOptions(str(searcher)))
    try:
        return {engine.item(number) for number in range(engine.manifest.items)}, engine.manifest.k
    finally:
        engine.close()
