"""Indexes 1,000,000 x 128 in a separate process; prints time, memory, recall and latency. `make bench-scale` runs it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from maker.evaluation.index_quality import exact_neighbours, perturbed_items
from maker.index.ties import right_results
from maker.pipeline import IndexSettings, index_embeddings
from task.core import BaseOptions
from task.search import GraphEngine, SearchRequest

CLUSTERS = 5000
BLOCK = 50_000
QUERIES = 2000


def draw(path: Path, items: int, dimension: int) -> None:
    """Writes seeded, clustered unit vectors `(items, dimension)` float32, block by block."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, dimension), np.float32)
    values = np.lib.format.open_memmap(path, "w+", np.float32, (items, dimension))
    for start in range(0, items, BLOCK):
        count = min(BLOCK, items - start)
        block = centres[rng.integers(0, CLUSTERS, count)] + 0.7 * rng.standard_normal((count, dimension), np.float32)
        values[start : start + count] = block / np.linalg.norm(block, axis=1, keepdims=True)


class Memory(threading.Thread):
    """Records the peak of the process's anonymous memory; pages of mapped files do not count, because the system can reclaim them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        while True:
            held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
            self.peak = max(self.peak, 1024 * int(held.split()[1]))
            time.sleep(0.05)


def index(source: Path, target: Path, recall: float, bits: int) -> dict[str, object]:
    """Indexes memory-mapped embeddings, as `maker index` does."""
    memory = Memory()
    memory.start()
    embeddings = np.load(source, mmap_mode="r")
    metadata = [b"%d" % i for i in range(len(embeddings))]
    begin = time.perf_counter()
    report = index_embeddings(embeddings, metadata, target, settings=IndexSettings(recall=recall, bits=bits)).figures
    return {
        "index_s": round(time.perf_counter() - begin, 1),
        "peak_memory_mb": round(memory.peak / 1e6),
        "peak_memory_over_embeddings": round(memory.peak / embeddings.nbytes, 2),
        "index_curve": report["index_curve"],
        **report["index"],
    }


def open_and_first_query(target: Path, query: np.ndarray) -> dict[str, float]:
    """Milliseconds to open the file and run one query, with a warm page cache; the median of five."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        engine = GraphEngine(BaseOptions(str(target), num_threads=1))
        engine.search_embedding(query, SearchRequest(max_results=10))
        times.append(time.perf_counter() - begin)
        engine.close()
    return {"open_and_first_query_ms": round(1e3 * float(np.median(times)), 1)}


def main() -> None:
    """Makes embeddings, indexes them in a fresh process, and measures the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--index", nargs=2, type=Path, help="internal: embeddings and target")
    given = parser.parse_args()
    if given.index:
        sys.stdout.write(json.dumps(index(*given.index, given.recall, given.bits)))
        return
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "e.npy"), Path(folder, "s.tflite")
        draw(source, given.items, given.dimension)
        settings = ["--recall", str(given.recall), "--bits", str(given.bits)]
        command = [sys.executable, "-m", "tests.benchmarks.scale", *settings, "--index", str(source), str(target)]
        figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        curve = figures.pop("index_curve")
        embeddings = np.load(source, mmap_mode="r")
        figures["bytes_per_item"] = round(target.stat().st_size / given.items, 1)
        figures |= open_and_first_query(target, np.asarray(embeddings[7]))
        queries = perturbed_items(embeddings, True, QUERIES, seed=2)
        truth = exact_neighbours(embeddings, queries, "dot_product")
        engine = GraphEngine(BaseOptions(str(target), num_threads=1))
        found = [[int(n.metadata) for n in engine.search_embedding(q, SearchRequest(max_results=10)).nearest_neighbors] for q in queries]
        right = sum(right_results(embeddings, *row, "dot_product") for row in zip(queries, found, truth, strict=True))
        figures["recall_of_other_queries"] = round(right / truth.size, 4)
    results = Path("build", "scale", f"{given.items}x{given.dimension}.json")  # for the benchmark history
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    sys.stdout.write("".join(f"{name:30}{value}\n" for name, value in figures.items()))
    sys.stdout.write("".join(f"{point}\n" for point in curve))


if __name__ == "__main__":
    main()
