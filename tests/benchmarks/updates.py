"""Filters and updates at 123,287 x 128: milliseconds of a filtered search and of a search with an overlay; `make bench-updates` runs it.

Each kind of search alternates with a plain search, query by query, so that other load on the machine slows both alike. Processor time is
measured too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maker.pipeline import index_embeddings
from task.core import BaseOptions
from task.text import TextSearcher, TextSearcherOptions
from tests.benchmarks.scale import draw

QUERIES, WARM_UP = 300, 20
SHARES = (0.001, 0.01, 0.1, 1.0)
ADDED, REMOVED = 10_000, 1000


def measure(searches: dict[str, Callable[[np.ndarray], object]], queries: np.ndarray) -> dict[str, np.ndarray]:
    """Milliseconds and processor milliseconds of each query, `(q, 2)`, by name of the search."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in searches}
    for query in queries:
        for name, search in searches.items():
            begin, spent = time.perf_counter(), time.thread_time()
            search(query)
            times[name].append((1e3 * (time.perf_counter() - begin), 1e3 * (time.thread_time() - spent)))
    return {name: np.array(values[WARM_UP:]) for name, values in times.items()}


def main() -> None:
    """Makes a searcher and measures all kinds of searches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=123_287)
    parser.add_argument("--dimension", type=int, default=128)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "e.npy"), Path(folder, "s.tflite")
        draw(source, given.items + ADDED, given.dimension)
        everything = np.load(source)
        np.save(source, everything[: given.items])
        index_embeddings(np.load(source, mmap_mode="r"), [b"%d" % i for i in range(given.items)], target)
        queries = everything[rng.integers(0, given.items, QUERIES)] + 0.03 * rng.standard_normal((QUERIES, given.dimension), np.float32)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)

        def opened() -> TextSearcher:
            return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(target), num_threads=1)))

        plain, added, removed = opened(), opened(), opened()
        searches: dict[str, Callable[[np.ndarray], object]] = {}
        for share in SHARES:
            ids = np.sort(rng.choice(given.items, max(1, int(share * given.items)), replace=False))
            searches[f"among {100 * share:g} % (ids)"] = lambda query, ids=ids: plain.search_embedding(query, allowed=ids)
            mask = np.zeros(given.items, bool)
            mask[ids] = True
            searches[f"among {100 * share:g} % (mask)"] = lambda query, mask=mask: plain.search_embedding(query, allowed=mask)
        searches["all items"] = opened().search_embedding
        begin = time.perf_counter()
        for number, vector in enumerate(everything[given.items :]):
            added.add(vector, b"%d" % number)
        seconds = time.perf_counter() - begin
        searches[f"with {ADDED} added"] = added.search_embedding
        for item in rng.choice(given.items, REMOVED, replace=False):
            removed.remove(int(item))
        searches[f"with {REMOVED} removed"] = removed.search_embedding
        saved = Path(folder, "o")
        added.save_overlay(str(saved))
        sys.stdout.write(f"{ADDED} items added, {1e6 * seconds / ADDED:.0f} us each; overlay file {saved.stat().st_size / 1e6:.1f} MB\n")
        sys.stdout.write(f"{'search_embedding, 1 thread':28}{'p50 ms':>9}{'p99 ms':>9}{'p50 CPU ms':>12}{'relative to plain':>22}\n")
        for name, search in searches.items():
            times = measure({"plain": plain.search_embedding, name: search}, queries)
            values, plainly = times[name], np.median(times["plain"], axis=0)
            wall, cpu = np.median(values, axis=0)
            ratios = f"{wall / plainly[0]:.2f}, {cpu / plainly[1]:.2f}"
            sys.stdout.write(f"{name:28}{wall:9.3f}{np.percentile(values[:, 0], 99):9.3f}{cpu:12.3f}{ratios:>22}\n")


if __name__ == "__main__":
    main()
