"""Measures the layouts of rows of many dimensions on real vectors; `make bench-dimensions` runs it.

`python -m tests.benchmarks.dimensions [--data minilm,lite2-512,lite2] [--items N] [--bytes 160,240] [--rounds N]`

Each data set is indexed with whole int8 rows, as the project chooses, and as it chooses for some sizes. All files are timed in turns, on
one thread. The queries took no part in learning, tuning or choosing.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.index.ties import right_results
from maker.pipeline.index import OTHER_PARTS, IndexedItems, write_index
from maker.pipeline.tuning import IndexSettings, Queries, routing_queries
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from tests.benchmarks.peers.data import DataMissingError, DataSet, prepare

K = 10
NAME = b"x"  # the metadata of each item
METADATA = len(NAME) + 4  # bytes an item, with their offset


@dataclass
class Row:
    """A line of the table."""

    label: str
    file: Path
    layout: str
    seconds: float
    found: list[np.ndarray]
    times: list[float]


def build(data: DataSet, label: str, file: Path, settings: IndexSettings) -> Row:
    """Writes a searcher and describes its layout."""
    vectors = np.load(data.vectors, mmap_mode="r")
    tuning, routing = (np.load(data.folder / f"{name}.npy") for name in ("tuning", "routing"))
    queries = Queries(tuning, "other queries", routing[: routing_queries(vectors)], "other queries")
    begin = time.perf_counter()
    items = IndexedItems(embeddings=vectors, metadata=[NAME] * len(vectors), queries=queries)
    index = write_index(items, file, settings).index
    layout = f"{index['scanned_dimensions'] or data.dimension} {index['rows']}"
    if index["rest_dimensions"]:
        layout += f", {index['rest_dimensions']} of {index['rescored_by'][-1]} bits for {index['candidates']}"
    return Row(label, file, layout, time.perf_counter() - begin, [], [])


def measure(rows: list[Row], queries: np.ndarray, rounds: int) -> None:
    """Asks all files in turns."""
    options = [BaseOptions(str(row.file), num_threads=1) for row in rows]
    files = [ModelFile(one) for one in options]
    opened = [SignatureRunners(file, one) for file, one in zip(files, options, strict=True)]
    for row, runners in zip(rows, opened, strict=True):
        row.found = [runners.run("search_embedding", query[None])["ids"][0] for query in queries]
    for _ in range(rounds):
        for query in queries:
            for row, runners in zip(rows, opened, strict=True):
                begin = time.perf_counter()
                runners.run("search_embedding", query[None])
                row.times.append(1e3 * (time.perf_counter() - begin))
    for runners, file in zip(opened, files, strict=True):
        runners.close()
        file.close()


def table(data: DataSet, sizes: list[int], recall: float, rounds: int) -> str:
    """The lines of a data set."""
    count = len(np.load(data.vectors, mmap_mode="r"))
    folder = data.folder / "layouts"
    folder.mkdir(exist_ok=True)
    asked = [("whole rows", IndexSettings(recall=recall, k=K, scan_dimension=0)), ("chosen", IndexSettings(recall=recall, k=K))]
    for size in sizes:
        most = int((size + METADATA) * count + OTHER_PARTS)
        asked.append((f"at most {size} bytes", IndexSettings(recall=recall, k=K, max_size=most)))
    rows = [build(data, label, folder / f"{number}.tflite", settings) for number, (label, settings) in enumerate(asked)]
    queries, truth = np.load(data.folder / "queries.npy"), np.load(data.folder / "truth.npy")
    measure(rows, queries, rounds)
    vectors = np.load(data.vectors, mmap_mode="r")
    lines = []
    for row in rows:
        asked_and_found = zip(queries, row.found, truth, strict=True)
        right = sum(right_results(vectors, query, found[:K], true, "dot_product") for query, found, true in asked_and_found)
        p50, p99 = np.percentile(row.times, (50, 99))
        size_of = (row.file.stat().st_size - METADATA * count) / count
        lines.append(
            f"| {data.name}, {data.dimension}-d, {count:,} | {row.label} | {row.layout} | {size_of:.0f} | {right / truth.size:.3f} | "
            f"{p50:.3f} / {p99:.3f} | {row.seconds:.0f} |\n"
        )
    return "".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="minilm,lite2-512,lite2")
    parser.add_argument("--items", type=int, default=123_287)
    parser.add_argument("--bytes", default="160,240", help="sizes of an item, without its metadata (default %(default)s)")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("build/bench"))
    given = parser.parse_args()
    sizes = [int(size) for size in given.bytes.split(",") if size]
    sys.stdout.write(
        "| items | asked for | scanned, read again | bytes an item | recall | p50 / p99, ms | build, s |\n|---|---|---|---|---|---|---|\n"
    )
    for name in given.data.split(","):
        try:
            sys.stdout.write(table(prepare(name, given.items, given.work), sizes, given.recall, given.rounds))
        except DataMissingError as error:
            sys.stdout.write(f"{name} is left out: {error}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
