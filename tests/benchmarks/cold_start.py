"""Opens a searcher of 1,000,000 x 128 in fresh processes: time to the first result, and resident memory; `make bench-cold` runs it.

The page cache is warm, because the file was read before. Processor time is measured too, because other processes affect it less. Memory is
the growth of the process after `task.text` and the interpreter were imported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from task.text import TextSearcher

PROCESSES, QUERIES = 10, 100


def resident() -> dict[str, float]:
    """Megabytes of this process in memory: anonymous pages (`anon`), and pages of files (`file`), which the system can reclaim."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in lines if line.startswith("Rss")}
    return {"anon": sizes["RssAnon"], "file": sizes["RssFile"]}


def start(path: str, queries: np.ndarray) -> dict[str, float]:
    """Opens the file, runs the queries and measures both."""
    from ai_edge_litert.interpreter import Interpreter  # imported before the measurement, because it is not part of opening a file

    assert Interpreter
    before = resident()
    begin, spent = time.perf_counter(), time.process_time()
    searcher = TextSearcher.create_from_file(path)
    opened = time.perf_counter()
    searcher.search_embedding(queries[0])
    answered, spent = time.perf_counter(), time.process_time() - spent
    once = resident()
    for query in queries[1:]:
        searcher.search_embedding(query)
    after = resident()
    return {
        "open_ms": 1e3 * (opened - begin),
        "first_query_ms": 1e3 * (answered - opened),
        "open_and_first_query_ms": 1e3 * (answered - begin),
        "open_and_first_query_cpu_ms": 1e3 * spent,
        "anon_mb_after_1_query": once["anon"] - before["anon"],
        "file_mb_after_1_query": once["file"] - before["file"],
        f"anon_mb_after_{QUERIES}_queries": after["anon"] - before["anon"],
        f"file_mb_after_{QUERIES}_queries": after["file"] - before["file"],
    }


def main() -> None:
    """Makes the file, unless one is given, and opens it in several processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--file", type=Path, help="an existing searcher; needs --embeddings")
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--start", nargs=2, help="internal: searcher and queries")
    given = parser.parse_args()
    if given.start:
        sys.stdout.write(json.dumps(start(given.start[0], np.load(given.start[1]))))
        return
    from maker.pipeline import index_embeddings  # not at the top: the measured processes import only the runtime
    from tests.benchmarks.scale import draw

    with tempfile.TemporaryDirectory() as folder:
        source, target = given.embeddings or Path(folder, "e.npy"), given.file or Path(folder, "s.tflite")
        if not given.file:
            draw(source, given.items, given.dimension)
            index_embeddings(np.load(source, mmap_mode="r"), [b"%d" % i for i in range(given.items)], target)
        embeddings, rng = np.load(source, mmap_mode="r"), np.random.default_rng(1)
        chosen = embeddings[np.sort(rng.choice(len(embeddings), QUERIES, replace=False))]
        queries = chosen + 0.03 * rng.standard_normal(chosen.shape, np.float32)
        np.save(Path(folder, "q.npy"), queries / np.linalg.norm(queries, axis=1, keepdims=True))
        target.read_bytes()  # warms the page cache
        command = [sys.executable, "-m", "tests.benchmarks.cold_start", "--start", str(target), str(Path(folder, "q.npy"))]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(PROCESSES)]
        megabytes = target.stat().st_size / 1e6
    sys.stdout.write(f"{'file_mb':34}{megabytes:.1f}\n")
    for name in runs[0]:
        values = sorted(run[name] for run in runs)
        sys.stdout.write(f"{name:34}{np.median(values):8.2f}   ({values[0]:.2f} to {values[-1]:.2f} in {PROCESSES} processes)\n")


if __name__ == "__main__":
    main()
