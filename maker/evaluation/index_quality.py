"""Measures an index: recall against exact float search, and latency."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.index.ties import right_results
from maker.progress import progress
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

NEIGHBOURS = 10
QUERIES = 1000
WARM_UP = 20
QUERY_BLOCK, ITEM_BLOCK = 64, 1 << 15  # queries and items of one matrix product
GROUP = 32  # columns of which only the largest value is compared at first
NOISE = 0.3  # norm of the noise on items that replace queries, relative to the item's


def exact_neighbours(embeddings: np.ndarray, queries: np.ndarray, distance: str, k: int = NEIGHBOURS) -> np.ndarray:
    """The nearest items of each query by exact search.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        queries: `(q, d)` float32.
        distance: `dot_product` or `squared_l2`.
        k: Number of neighbours.

    Returns:
        `(q, min(k, n))` int64, nearest first; of equally near items the one with the lower number first.
    """
    k = min(k, len(embeddings))
    scores = np.zeros((len(queries), 0), np.float32)
    items = np.zeros((len(queries), 0), np.int64)
    for start in progress(range(0, len(embeddings), ITEM_BLOCK), "exact search", quiet=len(queries) * embeddings.size < 2e10):
        block = np.asarray(embeddings[start : start + ITEM_BLOCK], np.float32)
        norms = np.einsum("nd,nd->n", block, block) if distance == "squared_l2" else None
        block_scores, places = _best_of_block(queries, block, norms, min(k, len(block)))
        scores, items = np.concatenate([scores, block_scores], axis=1), np.concatenate([items, places + start], axis=1)
        # A stable sort keeps the lower number first among equals.
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, items = np.take_along_axis(scores, order, axis=1), np.take_along_axis(items, order, axis=1)
    return items


def _best_of_block(queries: np.ndarray, items: np.ndarray, norms: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best scores of each query, and their places in the block, ascending; both `(q, k)`."""
    best_scores, places = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), QUERY_BLOCK):
        part = slice(start, start + QUERY_BLOCK)
        scores = queries[part] @ items.T
        if norms is not None:
            scores = 2 * scores - norms
        places[part] = np.sort(_best_columns(scores, k), axis=1)
        best_scores[part] = np.take_along_axis(scores, places[part], axis=1)
    return best_scores, places


def _best_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """The columns of the k largest values of each row, in no order, `(rows, k)`.

    They lie within the k groups of columns with the largest maxima, and comparing groups is much faster than comparing columns.
    """
    rows, columns = scores.shape
    size = columns // GROUP
    if size <= 4 * k:
        return np.argpartition(scores, -k, axis=1)[:, -k:]
    groups = scores[:, : GROUP * size].reshape(rows, GROUP, size).max(1)
    best = np.argpartition(groups, -k, axis=1)[:, -k:]
    rest = np.broadcast_to(np.arange(GROUP * size, columns), (rows, columns - GROUP * size))
    candidates = np.concatenate([(best[:, None] + size * np.arange(GROUP)[None, :, None]).reshape(rows, -1), rest], axis=1)
    chosen = np.argpartition(np.take_along_axis(scores, candidates, axis=1), -k, axis=1)[:, -k:]
    return np.take_along_axis(candidates, chosen, axis=1)


def perturbed_items(embeddings: np.ndarray, normalized: bool, count: int = QUERIES, seed: int = 0) -> np.ndarray:
    """Items with noise, `(q, d)` float32: replace queries if there are no real ones. At most `count`; no item is used twice."""
    rng = np.random.default_rng(seed)
    chosen = np.asarray(embeddings[np.sort(rng.choice(len(embeddings), min(count, len(embeddings)), replace=False))], np.float32)
    noise = rng.standard_normal(chosen.shape).astype(np.float32)
    noise *= NOISE * np.linalg.norm(chosen, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
    queries = chosen + noise
    return queries / np.linalg.norm(queries, axis=1, keepdims=True) if normalized else queries


def measure_index(path: Path, embeddings: np.ndarray, queries: np.ndarray, distance: str, how: str, k: int = NEIGHBOURS) -> dict[str, Any]:
    """Runs queries by a file's `search_embedding` and compares the results with exact float search.

    Args:
        path: The file; it needs no manifest yet.
        embeddings: `(n, d)` float32, the embeddings of its items.
        queries: `(q, d)` float32; at most 1,000 are used.
        distance: `dot_product` or `squared_l2`.
        how: Describes the queries in the report.
        k: Number of neighbours that the file returns; at most ten are compared.

    Returns:
        `index_recall@10` (or `@n`, if there are n < 10 items or k is n), for which equally near items are equally right; `queries`, `how`,
        and `p50_ms` and `p99_ms` of the bare signature on one thread, called from Python.
    """
    queries = queries[np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)]
    truth = exact_neighbours(embeddings, queries, distance, min(k, NEIGHBOURS))
    options = BaseOptions(str(path), num_threads=1)
    found, times = [], []
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        for query in queries[:WARM_UP]:
            runners.run("search_embedding", query[None])
        for query in queries:
            begin = time.perf_counter()
            ids = runners.run("search_embedding", query[None])["ids"][0]
            times.append(time.perf_counter() - begin)
            found.append(ids[: truth.shape[1]])
        runners.close()
    hits = sum(right_results(embeddings, *row, distance) for row in zip(queries, found, truth, strict=True))
    return {
        f"index_recall@{truth.shape[1]}": round(hits / truth.size, 4),
        "queries": len(queries),
        "how": how,
        "p50_ms": round(1e3 * float(np.median(times)), 3),
        "p99_ms": round(1e3 * float(np.percentile(times, 99)), 3),
    }


def index_recall(quality: Mapping[str, Any]) -> tuple[str, float]:
    """The name and the value of the recall that `measure_index` measured."""
    ((name, recall),) = [(name, value) for name, value in quality.items() if name.startswith("index_recall")]
    return name, recall


def measure_text_latency(path: Path, kind: str, queries: Sequence[Mapping[str, np.ndarray]], repeats: int = 200) -> dict[str, Any]:
    """The latency of a file's text signatures on one thread.

    Args:
        path: The file; it needs no manifest yet.
        kind: `text` or `tokens`.
        queries: Inputs by name.
        repeats: Number of measured calls.

    Returns:
        `p50_ms` and `p99_ms` of the bare `search_…` signature, `embed_p50_ms` and `embed_p99_ms` of `embed_…`.
    """
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        figures = {}
        for signature, prefix in ((f"search_{kind}", ""), (f"embed_{kind}", "embed_")):
            times = []
            for call in range(WARM_UP + repeats):
                begin = time.perf_counter()
                runners.run(signature, queries[call % len(queries)])
                times.append(time.perf_counter() - begin)
            figures[f"{prefix}p50_ms"] = round(1e3 * float(np.median(times[WARM_UP:])), 3)
            figures[f"{prefix}p99_ms"] = round(1e3 * float(np.percentile(times[WARM_UP:], 99)), 3)
        runners.close()
    return figures
