"""Measures the search of many searchers as one against the searches of each; `make bench-shards` runs it.

The sum of the searches of all shards is what a search over the shards would take if joining them cost nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from maker.pipeline import IndexSettings, index_embeddings
from task.text import TextSearcher

DIMENSION, CLUSTERS, QUERIES, ROUNDS = 64, 500, 300, 3
CASES = ((20, 20_000, None), (20, 100_000, 0))  # shards, items of each, leaves


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    sys.stdout.write(f"{cores} cores; milliseconds of a search, p50 / p99\n\n")
    sys.stdout.write("| shards | items | threads | sum of the shards | as one | ratio of p50 |\n|---|---|---|---|---|---|\n")
    for shards, items, leaves in CASES:
        sys.stdout.write(f"{measured(shards, items, leaves)}\n")
    return 0


def measured(shards: int, items: int, leaves: int | None) -> str:
    """A line of the table. Both ways are measured in turns, query by query: the machine is as busy for one as for the other."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIMENSION), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in range(shards):
            rows = unit(centres[rng.integers(0, CLUSTERS, items)] + 0.7 * rng.standard_normal((items, DIMENSION), np.float32))
            files.append(str(Path(folder, f"{number:02d}.tflite")))
            names = [b"%d" % (number * items + item) for item in range(items)]
            index_embeddings(rows, names, Path(files[-1]), settings=IndexSettings(leaves=leaves))
        queries = unit(centres[rng.integers(0, CLUSTERS, QUERIES)] + 0.7 * rng.standard_normal((QUERIES, DIMENSION), np.float32))
        each = [TextSearcher.create_from_file(file) for file in files]
        with TextSearcher.create_from_files(files) as together:
            threads = len(together.engine._threads)  # type: ignore[attr-defined]
            alone, joined = [], []
            for query in np.concatenate([queries] * ROUNDS):
                begin = time.perf_counter()
                for searcher in each:
                    searcher.search_embedding(query)
                between = time.perf_counter()
                together.search_embedding(query)
                alone.append(between - begin)
                joined.append(time.perf_counter() - between)
        for searcher in each:
            searcher.close()
    (a50, a99), (j50, j99) = (1e3 * np.percentile(times[QUERIES:], [50, 99]) for times in (alone, joined))
    return f"| {shards} | {shards * items:,} | {threads} | {a50:.2f} / {a99:.2f} | {j50:.2f} / {j99:.2f} | {j50 / a50:.2f} |"


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows divided by their norms."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


if __name__ == "__main__":
    raise SystemExit(main())
