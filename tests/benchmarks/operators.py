"""Measures the operators of a search one by one, and what `TextSearcher` adds to them; `make bench-operators` runs it.

One file has a signature for each prefix of the operators, over the same constants. What a prefix takes longer than the one before is the
time of its last operator. Every prefix is asked all queries in turn, which touch other leaves each, so that rows come from memory, as they
do in use. The time of a round is the median of its queries, and the figure the least of the rounds: other work on the machine only adds.

`TextSearcher` is measured on a whole file with a `words` encoder, in turns with the signatures that it calls.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from maker.encoders.embedder import open_embedder
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.evaluation.index_quality import perturbed_items
from maker.export.encoder_file import write_encoder
from maker.export.search_constants import SearchConstants, search_constants
from maker.export.search_graph import search
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.graph.model import Model
from maker.index.build import Index
from maker.pipeline.tuning import IndexSettings, Queries, choose_index
from maker.queries import built_in_queries
from maker.training.vocabulary import build_vocabulary
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.format import utf8
from task.processor import SearchOptions
from task.text import TextSearcher, TextSearcherOptions
from tests.benchmarks.scale import draw

ITEMS, DIMENSION, QUERIES, ROUNDS = 123_287, 128, 300, 9
NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def main() -> int:
    """Builds the index, writes the prefixes and prints a line for each operator."""
    parser = argparse.ArgumentParser(description="Measures the operators of a search.")
    parser.add_argument("--items", type=int, default=ITEMS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target, whole = Path(folder, "e.npy"), Path(folder, "s.tflite"), Path(folder, "whole.tflite")
        draw(source, given.items, DIMENSION)
        embeddings = np.load(source, mmap_mode="r")
        queries = perturbed_items(embeddings, True, 2 * QUERIES)
        index = choose_index(embeddings, IndexSettings(k=10), Queries(queries, "perturbed items"), {}, target).index
        named = write(search_constants(index), target)
        times = measure(target, len(named), queries[1::2])
        sentences = [query.en for query in built_in_queries()]
        write_whole(index, sentences, whole)
        layers = measure_layers(whole, queries[1::2], sentences[:QUERIES])
    for (name, shape), microseconds in zip(named, np.diff(times, prepend=0), strict=True):
        sys.stdout.write(f"{name:20}{shape!s:20}{microseconds:8.1f} us\n")
    sys.stdout.write(f"{'all':40}{times[-1]:8.1f} us, {index.budget} leaves of {index.block} rows\n")
    for name, (bare, layered) in layers.items():
        sys.stdout.write(f"{name:20}signature {bare:8.1f} us, with TextSearcher {layered:8.1f} us: {layered - bare:.1f} more\n")
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
    """`(prefixes,)` microseconds of each prefix for a query."""
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        calls = [partial(runners.run, str(prefix)) for prefix in range(prefixes)]
        times = _least_medians([(call, [query[None] for query in queries]) for call in calls])
        runners.close()
    return times


def write_whole(index: Index, sentences: Sequence[str], path: Path) -> None:
    """Writes a searcher of the index with a `words` encoder that knows the words of the sentences; its rows are drawn."""
    size = TokenizerSize()
    vocabulary = build_vocabulary(tokenize(sentences, size), 1, 1, size)
    table = np.random.default_rng(0).standard_normal((vocabulary.table_rows, DIMENSION)).astype(np.float32)
    attention = np.zeros((DIMENSION, DIMENSION), np.float32)
    encoder = path.with_name("encoder.tflite")
    write_encoder(
        encoder, {"text": WordsTower(vocabulary.hashes, table, size, attention)}, {"text": (1, size.max_bytes)}, dimension=DIMENSION
    )
    metadata = [b"photos/%08d.jpg" % item for item in range(len(index.order))]
    write_searcher(SearcherContent(index=index, metadata=metadata, k=10, towers=open_embedder(encoder)), path)


def measure_layers(path: Path, queries: np.ndarray, sentences: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Microseconds of signatures, and of the searcher that calls them, by signature."""
    options = TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=SearchOptions(max_results=10))
    with TextSearcher.create_from_options(options) as searcher:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        embedding, text = (interpreter.get_signature_runner(f"search_{kind}") for kind in ("embedding", "text"))
        _, length = text.get_input_details()["query"]["shape"]
        times = _least_medians(
            [
                (lambda query: embedding(query=query), [query[None] for query in queries]),
                (searcher.search_embedding, queries),
                (lambda query: text(query=query), [utf8.encode(sentence, int(length)) for sentence in sentences]),
                (searcher.search, sentences),
            ]
        )
    return {"search_embedding": (times[0], times[1]), "search_text": (times[2], times[3])}


def _least_medians(calls: Sequence[tuple[Callable[[Any], Any], Sequence[Any]]]) -> np.ndarray:
    """Microseconds of each call: of each round the median of its queries, of the rounds the least."""
    times = np.zeros((ROUNDS, len(calls)))
    for number in range(-1, ROUNDS):  # the first round warms up
        for place, (call, queries) in enumerate(calls):
            taken = []
            for query in queries:
                begin = time.perf_counter_ns()
                call(query)
                taken.append(time.perf_counter_ns() - begin)
            if number >= 0:
                times[number, place] = np.median(taken) / 1e3
    return np.asarray(times.min(axis=0))


if __name__ == "__main__":
    sys.exit(main())
