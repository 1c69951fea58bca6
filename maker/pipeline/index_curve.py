"""Measures and draws recall and latency of an index for several numbers of scanned leaves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.export.search_constants import SearchConstants
from maker.export.search_graph import search
from maker.graph.model import Model
from maker.index.ties import right_results
from maker.progress import say
from maker.workspace import atomic
from maker.workspace.atomic import scratch
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

QUERIES, WARM_UP = 300, 10
INK, GREY, LINE, MARK = "#1d2433", "#6b7280", "#2563eb", "#dc2626"
INCHES, DPI = (10.0, 4.0), 100


def measure_curve(
    constants: SearchConstants, budgets: Sequence[int], queries: np.ndarray, truth: np.ndarray, k: int, beside: Path
) -> list[dict[str, Any]]:
    """Measures recall and latency for several budgets.

    It writes one file with a signature per budget over the same rows, and calls the signatures in turn, so that noise affects all alike.

    Args:
        constants: Those of a partitioned index.
        budgets: Numbers of leaves to scan.
        queries: `(q, d)` float32; at most 300 are used.
        truth: `(q, t)` the nearest items of each query by exact search.
        k: Neighbours that a signature returns.
        beside: The file is temporary and lies beside this one: the folder of temporary files may have too little space.

    Returns:
        One point per budget, ascending: `leaves_scanned`, `share_scanned`, `recall` of the true neighbours, for which equally near items
        are equally right, `p50_ms` and `p99_ms` of the bare signature on one thread, called from Python.
    """
    index, budgets = constants.index, sorted(set(budgets))
    chosen = np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)
    found: list[list[np.ndarray]] = [[] for _ in budgets]
    times = np.zeros((len(budgets), len(chosen)))
    with scratch(beside) as path:
        _write(constants, budgets, max(k, truth.shape[1]), path)
        options = BaseOptions(str(path), num_threads=1)
        with ModelFile(options) as file:
            runners = SignatureRunners(file, options)
            for number, query in enumerate([*chosen[:WARM_UP], *chosen]):
                for point, budget in enumerate(budgets):
                    begin = time.perf_counter()
                    ids = runners.run(str(budget), queries[query][None])["ids"][0]
                    if number >= WARM_UP:
                        times[point, number - WARM_UP] = time.perf_counter() - begin
                        found[point].append(ids[: truth.shape[1]])
            runners.close()
    asked, true = queries[chosen], truth[chosen]
    hits = [sum(right_results(index.embeddings, *row, index.distance) for row in zip(asked, ids, true, strict=True)) for ids in found]
    return [
        {
            "leaves_scanned": budget,
            "share_scanned": round(budget / index.blocks, 6),
            "recall": round(right / true.size, 4),
            "p50_ms": round(1e3 * float(np.median(seconds)), 4),
            "p99_ms": round(1e3 * float(np.percentile(seconds, 99)), 4),
        }
        for budget, right, seconds in zip(budgets, hits, times, strict=True)
    ]


def _write(constants: SearchConstants, budgets: Sequence[int], k: int, path: Path) -> None:
    model, index = Model("curve"), constants.index
    for budget in budgets:
        g = model.subgraph(str(budget))
        query = g.tensor("query", (1, index.embeddings.shape[1]), np.float32)
        distances, ids = search(g, query, constants, k, max(budget, -(-k // index.block)))
        model.signature(g, {"query": query}, {"distances": distances, "ids": ids})
    model.write(path)


def draw_curve(path: Path, points: Sequence[dict[str, Any]], chosen: int, rows: Sequence[dict[str, Any]]) -> None:
    """Draws two plots: recall against latency, with the chosen point, and recall against bytes for each type of rows.

    Args:
        path: The PNG.
        points: Points of `measure_curve`.
        chosen: The `leaves_scanned` of the searcher.
        rows: One entry per type of rows: `rows`, `bytes_per_item`, `recall` when all rows are scanned.
    """
    try:
        from matplotlib.figure import Figure  # draws without the global state and windows of pyplot
    except ModuleNotFoundError:  # part of the extra `maker`, which `maker index` does not need
        say(f"{path.name} is left out: drawing needs matplotlib: pip install matplotlib")
        return
    figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([p["p50_ms"] for p in points], [p["recall"] for p in points], color=LINE, marker="o", markersize=4, label="p50")
    left.plot([p["p99_ms"] for p in points], [p["recall"] for p in points], color=GREY, marker="o", markersize=3, linewidth=1, label="p99")
    for point in points:
        if point["leaves_scanned"] == chosen:
            left.plot([point["p50_ms"]], [point["recall"]], color=MARK, marker="o")
            left.annotate(f"{point['recall']:.3f}", (point["p50_ms"], point["recall"]), (8, -12), textcoords="offset points", color=MARK)
    left.set_xscale("log")
    left.set_xlabel("ms per query, one thread", color=GREY)
    left.set_title("recall of the true neighbours, by latency", color=INK, fontsize=11)
    left.legend(frameon=False)
    for entry in rows:
        right.plot([entry["bytes_per_item"]], [entry["recall"]], color=LINE, marker="o")
        place = (entry["bytes_per_item"], entry["recall"])
        right.annotate(f"{entry['rows']}, {entry['bytes_per_item']:.0f} B", place, (0, -14), textcoords="offset points", ha="center")
    right.margins(x=0.3, y=0.25)
    right.set_xlabel("bytes per item", color=GREY)
    right.set_title("recall by type of rows, all scanned", color=INK, fontsize=11)
    for axes in (left, right):
        axes.set_ylabel("recall", color=GREY)
        axes.tick_params(colors=GREY)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png")
