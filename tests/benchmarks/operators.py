"""Measures the operators of a search one by one; `make bench-operators` runs it.

One file has a signature for each prefix of the operators, over the same constants. What a prefix takes longer than the one before is the
time of its last operator. Every prefix is asked all queries in turn, which touch other leaves each, so that rows come from memory, as they
do in use. Times are processor time, in rounds; the figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.evaluation.index_quality import perturbed_items
from maker.export.search_constants import SearchConstants, search_constants
from maker.export.search_graph import search
from maker.graph.model import Model
from maker.pipeline.tuning import IndexSettings, Queries, choose_index
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from tests.benchmarks.scale import draw

ITEMS, DIMENSION, QUERIES, ROUNDS = 123_287, 128, 300, 5
NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def main() -> int:
    """Builds the index, writes the prefixes and prints a line for each operator."""
    parser = argparse.ArgumentParser(description="Measures the operators of a search.")
    parser.add_argument("--items", type=int, default=ITEMS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "e.npy"), Path(folder, "s.tflite")
        draw(source, given.items, DIMENSION)
        embeddings = np.load(source, mmap_mode="r")
        queries = perturbed_items(embeddings, True, 2 * QUERIES)
        index = choose_index(embeddings, IndexSettings(k=10), Queries(queries, "perturbed items"), {}, target).index
        named = write(search_constants(index), target)
        times = measure(target, len(named), queries[1::2])
    for (name, shape), microseconds in zip(named, np.diff(times, prepend=0), strict=True):
        sys.stdout.write(f"{name:20}{shape!s:20}{microseconds:8.1f} us\n")
    sys.stdout.write(f"{'all':40}{times[-1]:8.1f} us, {index.budget} leaves of {index.block} rows\n")
    return 0


def write(constants: SearchConstants, path: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Writes a signature for each prefix; returns the name of each operator and the shape of what it gives."""
    model, named, prefix = Model("operators"), [], 0
    while True:
        g = model.subgraph(str(prefix))
        query = g.tensor("query", (1, DIMENSION), np.float32)
        search(g, query, constants, 10)
        count = len(g.table.operators)
        del g.table.operators[prefix + 1 :]
        last = g.table.operators[prefix]
        (output, *_) = last.outputs
        shape = g.shape(output)
        code = g.shared.model.operatorCodes[last.opcodeIndex]
        named.append((NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)], shape))
        first = g.slice(output, (0,) * len(shape), (1,) * len(shape))  # whole outputs would be copied into Python
        model.signature(g, {"query": query}, {"first": first})
        prefix += 1
        if prefix == count:
            break
    model.write(path)
    return named


def measure(path: Path, prefixes: int, queries: np.ndarray) -> np.ndarray:
    """`(prefixes,)` microseconds of processor time of each prefix for a query."""
    times = np.zeros((ROUNDS, prefixes))
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        for number in range(-1, ROUNDS):  # the first round warms up
            for prefix in range(prefixes):
                begin = time.process_time()
                for query in queries:
                    runners.run(str(prefix), query[None])
                if number >= 0:
                    times[number, prefix] = 1e6 * (time.process_time() - begin) / len(queries)
        runners.close()
    return np.asarray(np.median(times, axis=0))


if __name__ == "__main__":
    sys.exit(main())
