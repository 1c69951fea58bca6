"""Filters and updates at 123,287 x 128: milliseconds of a filtered search and of a search with an overlay; `make bench-updates` runs it.

Each kind of search alternates with a plain search, query by query, so that other load on the machine slows both alike. Processor time is
measured too.

Then it measures how many of the nearest added items are found, against a scan of all: among these drawn vectors, and among 11,000 captions
of Flickr8k that MiniLM embeds, if docs/data.md's files are there.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maker.embedding.texts import embed_texts
from maker.encoders.embedder import open_embedder
from maker.encoders.tokenizer_file import TextModelOptions
from maker.export.encoder_file import write_encoder
from maker.pipeline import index_embeddings
from task.core import BaseOptions
from task.search import added_rows
from task.search.facts import checked
from task.search.overlay import Overlay
from task.text import TextSearcher, TextSearcherOptions
from tests.benchmarks.scale import draw
from tests.outside_data import FLICKR, MINILM, absent

QUERIES, WARM_UP = 300, 20
TINY = 1e-6  # between two sums of the same products
SHARES = (0.001, 0.01, 0.1, 1.0)
ADDED, REMOVED = (10_000, 50_000), 1000
CAPTIONS, ASKED = 10_000, 1000
NEAREST = 10


def measure(searches: dict[str, Callable[[np.ndarray], object]], queries: np.ndarray) -> dict[str, np.ndarray]:
    """Milliseconds and processor milliseconds of each query, `(q, 2)`, by name of the search."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in searches}
    for query in queries:
        for name, search in searches.items():
            begin, spent = time.perf_counter(), time.thread_time()
            search(query)
            times[name].append((1e3 * (time.perf_counter() - begin), 1e3 * (time.thread_time() - spent)))
    return {name: np.array(values[WARM_UP:]) for name, values in times.items()}


def answers_found(base: np.ndarray, added: np.ndarray, queries: np.ndarray) -> float:
    """The share of the nearest of all items that are found where the added ones are searched in cells, whatever their number."""
    overlay = Overlay(len(base), added.shape[1], "dot_product")
    added_rows.FLAT, before = 0, added_rows.FLAT
    for vector in added:
        overlay.add(vector, b"", checked({}, {}))
    added_rows.FLAT = before
    rounded = overlay.content("").rows
    found = 0
    for query in queries:
        near = np.partition(-(base @ query), NEAREST - 1)[:NEAREST] if len(base) else np.empty(0, np.float32)
        _, distances = overlay.nearest(query, NEAREST)
        exact = np.sort(np.concatenate([near, np.partition(-(rounded @ query), NEAREST - 1)[:NEAREST]]))[:NEAREST]
        found += (np.sort(np.concatenate([near, distances]))[:NEAREST] <= exact[-1] + TINY).sum()
    return found / NEAREST / len(queries)


def captions_found() -> str:
    """The recall among captions, as a line."""
    model, words = MINILM / "minilm_int8.tflite", MINILM / "vocab.txt"
    for path in (model, FLICKR / "captions.tsv"):
        if not path.exists():
            return f"captions: {absent(path)}\n"
    with open(FLICKR / "captions.tsv", encoding="utf-8", newline="") as file:
        texts = [row["caption"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["lang"] == "en"]
    chosen = np.random.default_rng(2).permutation(len(texts))[: CAPTIONS + ASKED]
    tower = open_embedder(model, TextModelOptions(tokenizer=words))["text"]
    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder, "encoder.tflite")
        write_encoder(encoder, {"text": tower}, {"text": tower.input_shape}, dimension=tower.dimension)
        vectors = embed_texts([texts[number] for number in chosen.tolist()], encoder)
    added, queries = vectors[:CAPTIONS], vectors[CAPTIONS:]
    alone = answers_found(added[:0], added, queries)
    half = answers_found(added[: CAPTIONS // 2], added[CAPTIONS // 2 :], queries)
    of_added = f"{100 * alone:.1f} % are found among {CAPTIONS} added"
    return f"captions, MiniLM: of the {NEAREST} nearest, {of_added}; {100 * half:.1f} % with half of them in the base\n"


def main() -> None:
    """Makes a searcher and measures all kinds of searches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=123_287)
    parser.add_argument("--dimension", type=int, default=128)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "e.npy"), Path(folder, "s.tflite")
        draw(source, given.items + ADDED[-1], given.dimension)
        everything = np.load(source)
        np.save(source, everything[: given.items])
        index_embeddings(np.load(source, mmap_mode="r"), [b"%d" % i for i in range(given.items)], target)
        queries = everything[rng.integers(0, given.items, QUERIES)] + 0.03 * rng.standard_normal((QUERIES, given.dimension), np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)

        def opened() -> TextSearcher:
            return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(target), num_threads=1)))

        plain, removed = opened(), opened()
        searches: dict[str, Callable[[np.ndarray], object]] = {}
        for share in SHARES:
            ids = np.sort(rng.choice(given.items, max(1, int(share * given.items)), replace=False))
            searches[f"among {100 * share:g} % (ids)"] = lambda query, ids=ids: plain.search_embedding(query, allowed=ids)
            mask = np.zeros(given.items, bool)
            mask[ids] = True
            searches[f"among {100 * share:g} % (mask)"] = lambda query, mask=mask: plain.search_embedding(query, allowed=mask)
        searches["all items"] = opened().search_embedding
        for count in ADDED:
            added = opened()
            begin = time.perf_counter()
            for number, vector in enumerate(everything[given.items : given.items + count]):
                added.add(vector, b"%d" % number)
            seconds = time.perf_counter() - begin
            searches[f"with {count} added"] = added.search_embedding
            saved = Path(folder, "o")
            added.save_overlay(str(saved))
            size = saved.stat().st_size / 1e6
            sys.stdout.write(f"{count} items added, {1e6 * seconds / count:.0f} us each; overlay file {size:.1f} MB\n")
            recall = answers_found(everything[: given.items], everything[given.items : given.items + count], queries)
            sys.stdout.write(f"of the {NEAREST} nearest of all items, {100 * recall:.1f} % are found beside exact search of the base\n")
        for item in rng.choice(given.items, REMOVED, replace=False):
            removed.remove(int(item))
        searches[f"with {REMOVED} removed"] = removed.search_embedding
        sys.stdout.write(f"{'search_embedding, 1 thread':28}{'p50 ms':>9}{'p99 ms':>9}{'p50 CPU ms':>12}{'relative to plain':>22}\n")
        for name, search in searches.items():
            times = measure({"plain": plain.search_embedding, name: search}, queries)
            values, plainly = times[name], np.median(times["plain"], axis=0)
            wall, cpu = np.median(values, axis=0)
            ratios = f"{wall / plainly[0]:.2f}, {cpu / plainly[1]:.2f}"
            sys.stdout.write(f"{name:28}{wall:9.3f}{np.percentile(values[:, 0], 99):9.3f}{cpu:12.3f}{ratios:>22}\n")
    sys.stdout.write(captions_found())


if __name__ == "__main__":
    main()
