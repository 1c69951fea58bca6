"""Milliseconds per query of an on-device ScaNN index with one and two threads; `make bench-threads` runs it.

The machine should be idle. Each figure is the best of many short rounds; rounds with one and two threads alternate.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from maker import searcher
from task.search import SearchRequest
from task.task_library.index import ScannIndex

CLUSTERS, QUERIES = 500, 4
SCORERS = {"float32": {"score_brute_force": searcher.ScoreBruteForce()}, "ScoreAH(1)": {"score_ah": searcher.ScoreAH(1)}}


def draw(items: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Clustered unit vectors, and queries with the same distribution."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, dimension), np.float32)
    values = centres[rng.integers(0, CLUSTERS, items + QUERIES)] + 0.7 * rng.standard_normal((items + QUERIES, dimension), np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values[:items], values[items:]


def seconds(index: ScannIndex, queries: np.ndarray, threads: int) -> float:
    """Seconds that the threads take, if each runs all queries."""

    def search() -> None:
        for query in queries:
            index.search(query, SearchRequest(max_results=10))

    workers = [threading.Thread(target=search) for _ in range(threads)]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - begin


def main() -> None:
    """Builds the indexes and measures them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=600)
    given = parser.parse_args()
    rows, queries = draw(given.items, given.dimension)
    leaves = round(given.items**0.5)
    sys.stdout.write("| rows | leaves searched | ms per query, 1 thread | 2 threads | speed-up |\n|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, scorer in SCORERS.items():
            path = Path(folder, "index.ldb")
            options = searcher.ScaNNOptions("dot_product", tree=searcher.Tree(leaves, leaves // 10), **scorer)
            built = searcher.Searcher.create_from_data(searcher.DataLoader(None, rows, [b"x"] * len(rows)), options, trainer="own")
            built.export(searcher.ExportFormat.SCANN_INDEX_FILE, path, compression=False)
            index = ScannIndex(str(path), path.read_bytes())
            seconds(index, queries, 2)
            rounds = [[seconds(index, queries, threads) / (threads * len(queries)) for threads in (1, 2)] for _ in range(given.rounds)]
            one, two = np.min(rounds, axis=0) * 1e3
            sys.stdout.write(f"| {name} | {leaves // 10} of {leaves} | {one:.2f} | {two:.2f} | {one / two:.2f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
