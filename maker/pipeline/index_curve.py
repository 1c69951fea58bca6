"""What recall costs: an index's recall and latency at several budgets, measured and drawn."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.export.search_constants import search_constants
from maker.export.search_graph import search
from maker.graph.model import Model
from maker.index.build import Index
from maker.workspace import atomic
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

QUERIES, WARM_UP = 300, 10
INK, GREY, LINE, MARK = "#1d2433", "#6b7280", "#2563eb", "#dc2626"
INCHES, DPI = (10.0, 4.0), 100


def measure_curve(index: Index, budgets: Sequence[int], queries: np.ndarray, truth: np.ndarray, k: int) -> list[dict[str, Any]]:
    """Asks one file that has a signature a budget, all over the same rows, in turns, so that noise meets all alike.

    Args:
        index: A partitioned index.
        budgets: Leaves to scan.
        queries: `(q, d)` float32; at most 300 are asked.
        truth: `(q, t)` the items nearest to each by exact search.
        k: Neighbours that a signature returns.

    Returns:
        A point a budget, ascending: `leaves_scanned`, `share_scanned`, `recall` of the true neighbours, `p50_ms` and `p99_ms` of the bare
        signature on one thread, called from Python.
    """
    budgets = sorted(set(budgets))
    chosen = np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)
    hits, times = np.zeros(len(budgets)), np.zeros((len(budgets), len(chosen)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "curve.tflite")
        _write(index, budgets, max(k, truth.shape[1]), path)
        options = BaseOptions(str(path), num_threads=1)
        with ModelFile(options) as file:
            runners = SignatureRunners(file, options)
            for turn, query in enumerate([*chosen[:WARM_UP], *chosen]):
                for point, budget in enumerate(budgets):
                    begin = time.perf_counter()
                    found = runners.run(str(budget), queries[query][None])["ids"][0]
                    if turn >= WARM_UP:
                        times[point, turn - WARM_UP] = time.perf_counter() - begin
                        hits[point] += np.isin(truth[query], found[: truth.shape[1]]).mean()
            runners.close()
    return [
        {
            "leaves_scanned": budget,
            "share_scanned": round(budget / index.blocks, 6),
            "recall": round(float(found / len(chosen)), 4),
            "p50_ms": round(1e3 * float(np.median(taken)), 4),
            "p99_ms": round(1e3 * float(np.percentile(taken, 99)), 4),
        }
        for budget, found, taken in zip(budgets, hits, times, strict=True)
    ]


def _write(index: Index, budgets: Sequence[int], k: int, path: Path) -> None:
    model, constants = Model("curve"), search_constants(index)
    for budget in budgets:
        g = model.subgraph(str(budget))
        query = g.tensor("query", (1, index.embeddings.shape[1]), np.float32)
        distances, ids = search(g, query, constants, k, max(budget, -(-k // index.block)))
        model.signature(g, {"query": query}, {"distances": distances, "ids": ids})
    model.write(path)


def draw_curve(path: Path, points: Sequence[dict[str, Any]], chosen: int, rows: Sequence[dict[str, Any]]) -> None:
    """Draws recall against latency, with the chosen point, and what each kind of rows allows against its bytes.

    Args:
        path: The PNG.
        points: As `measure_curve` returns them.
        chosen: The `leaves_scanned` of the file.
        rows: An entry a kind of rows: `rows`, `bytes_per_item`, `recall` when all are scanned.
    """
    from matplotlib.figure import Figure  # draws with Agg, without pyplot's state and windows

    figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([p["p50_ms"] for p in points], [p["recall"] for p in points], color=LINE, marker="o", markersize=4, label="p50")
    left.plot([p["p99_ms"] for p in points], [p["recall"] for p in points], color=GREY, marker="o", markersize=3, linewidth=1, label="p99")
    for point in points:
        if point["leaves_scanned"] == chosen:
            left.plot([point["p50_ms"]], [point["recall"]], color=MARK, marker="o")
            left.annotate(f"{point['recall']:.3f}", (point["p50_ms"], point["recall"]), (8, -12), textcoords="offset points", color=MARK)
    left.set_xscale("log")
    left.set_xlabel("ms a query, one thread", color=GREY)
    left.set_title("recall of the true nearest, by latency", color=INK, fontsize=11)
    left.legend(frameon=False)
    for entry in rows:
        right.plot([entry["bytes_per_item"]], [entry["recall"]], color=LINE, marker="o")
        place = (entry["bytes_per_item"], entry["recall"])
        right.annotate(f"{entry['rows']}, {entry['bytes_per_item']:.0f} B", place, (0, -14), textcoords="offset points", ha="center")
    right.margins(x=0.3, y=0.25)
    right.set_xlabel("bytes an item", color=GREY)
    right.set_title("recall that the rows allow, by size", color=INK, fontsize=11)
    for axes in (left, right):
        axes.set_ylabel("recall", color=GREY)
        axes.tick_params(colors=GREY)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png")
