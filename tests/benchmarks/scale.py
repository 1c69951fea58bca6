"""Indexes 1,000,000 x 128 in a process of its own and prints seconds, peak memory and latency; `make bench-scale` runs it."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from maker.evaluation.index_quality import measure_index, perturbed_items
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import build_index, default_options

CLUSTERS = 5000
BLOCK = 50_000


def draw(path: Path, items: int, dimension: int) -> None:
    """Writes clustered unit vectors, seeded."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, dimension), np.float32)
    values = np.lib.format.open_memmap(path, "w+", np.float32, (items, dimension))
    for start in range(0, items, BLOCK):
        count = min(BLOCK, items - start)
        block = centres[rng.integers(0, CLUSTERS, count)] + 0.7 * rng.standard_normal((count, dimension), np.float32)
        values[start : start + count] = block / np.linalg.norm(block, axis=1, keepdims=True)


def peak_memory() -> float:
    """The largest resident size of this process so far, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def index(embeddings_path: Path, target: Path) -> dict[str, float]:
    """Reads the embeddings into memory, indexes and writes them."""
    embeddings = np.load(embeddings_path)
    begin = time.perf_counter()
    built = build_index(embeddings, default_options(len(embeddings))).with_share(0.02)
    partitioned = time.perf_counter()
    metadata = [b"%d" % i for i in range(len(embeddings))]
    write_searcher(SearcherContent(index=built, metadata=metadata), target)
    written = time.perf_counter()
    return {
        "partition_s": round(partitioned - begin, 1),
        "write_s": round(written - partitioned, 1),
        "peak_memory_over_embeddings": round(peak_memory() / embeddings.nbytes, 2),
        "leaves": built.blocks,
    }


def main() -> None:
    """Draws, indexes in a fresh process, then measures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--index", nargs=2, type=Path, help="internal: embeddings and target")
    given = parser.parse_args()
    if given.index:
        sys.stdout.write(json.dumps(index(*given.index)))
        return
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "e.npy"), Path(folder, "s.tflite")
        draw(source, given.items, given.dimension)
        command = [sys.executable, "-m", "tests.benchmarks.scale", "--index", str(source), str(target)]
        figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        embeddings = np.load(source, mmap_mode="r")
        queries = perturbed_items(embeddings, True)[:200]
        figures["bytes_per_item"] = round(target.stat().st_size / given.items, 1)
        figures |= measure_index(target, np.asarray(embeddings), queries, "dot_product", "perturbed items, 2 % of the rows scanned")
    sys.stdout.write("".join(f"{name:30}{value}\n" for name, value in figures.items()))


if __name__ == "__main__":
    main()
