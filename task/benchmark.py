"""Measures a searcher on the current machine: `python -m task.benchmark searcher.tflite`.

It prints JSON, to compare machines. Like `task`, it only needs NumPy and LiteRT and runs wherever they run: on a server, on a Raspberry Pi,
in Termux on Android.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .core.base_options import BaseOptions
from .errors import InvalidArgumentError, TaskError
from .format.manifest import Manifest
from .opening import open_engine
from .processor.options import EmbeddingOptions, SearchOptions
from .search.engine import Engine
from .search.request import SearchRequest

RUNTIMES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
TEXT = "a photo of a man riding a bike"
RESULTS = 10
WARM_UP = 5
DISTINCT = 16  # different queries, used in turn
PERCENTILES = (50, 90, 99)
PROC = Path("/proc")
BOARD = Path("/sys/firmware/devicetree/base/model")  # name of a Raspberry Pi


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the file that the arguments name, prints the figures and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m task.benchmark", description="Measures a searcher on this machine; prints JSON.")
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the interpreter (default %(default)s)")
    parser.add_argument("--queries", type=int, default=200, metavar="N", help="queries of each kind (default %(default)s)")
    parser.add_argument("--opens", type=int, default=10, metavar="N", help="how many times to open the file (default %(default)s)")
    parser.add_argument(
        "--text", action="append", metavar="QUERY", help="a query sentence; may be repeated (default: the examples in the file)"
    )
    parser.add_argument("--index", type=Path, metavar="FILE", help="an index beside a Task Library model")
    given = parser.parse_args(arguments)
    if min(given.queries, given.opens) < 1:
        parser.error("--queries and --opens must be at least 1")
    try:
        figures = measure(
            given.searcher, threads=given.threads, queries=given.queries, opens=given.opens, texts=given.text, index=given.index
        )
    except (TaskError, ImportError, OSError) as error:
        sys.stderr.write(f"task.benchmark: error: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    return 0


def measure(
    path: Path, *, threads: int = 1, queries: int = 200, opens: int = 10, texts: Sequence[str] | None = None, index: Path | None = None
) -> dict[str, Any]:
    """Measures a searcher.

    Args:
        path: The file.
        threads: Threads of the interpreter.
        queries: Number of queries of each kind.
        opens: How many times to open the file.
        texts: Query sentences; None takes the golden queries of the file, or a default sentence.
        index: An index beside a Task Library model.

    Returns:
        The figures, with the file, the runtime and the machine. Times are in milliseconds, by percentile: `open_ms`; `first_query_ms`, the
        first query of each kind after opening; `embed_ms` and `search_ms`, after a warm-up. `resident_mb` is the resident memory in MB of
        10^6 bytes; None if the system does not report it.

    Raises:
        TaskError: The file cannot be searched.
    """
    resident = {"start": _resident()}

    def opened() -> Engine:
        options = SearchOptions(max_results=RESULTS, index_file_name=None if index is None else str(index))
        return open_engine(BaseOptions(str(path), num_threads=threads), EmbeddingOptions(), options)

    engine = opened()
    resident["opened"] = _resident()
    asked = _queries(engine, texts)
    file = {"name": path.name, "bytes": path.stat().st_size, "items": engine.items, "dimension": engine.dimension}
    warm = {}
    for method, of_kind in asked.items():
        _times(engine, method, of_kind, WARM_UP)
        warm[method] = _percentiles(_times(engine, method, of_kind, queries))
    resident["asked"] = _resident()
    engine.close()
    opening, first = _opening(opened, asked, opens)
    return {
        "file": file,
        "runtime": _runtime(),
        "machine": _machine(),
        "threads": threads,
        "open_ms": _percentiles(opening),
        "first_query_ms": {name: _percentiles(times) for name, times in first.items()},
        "embed_ms": {name.removeprefix("embed_"): figures for name, figures in warm.items() if name.startswith("embed_")},
        "search_ms": {name.removeprefix("search_"): figures for name, figures in warm.items() if name.startswith("search_")},
        "resident_mb": resident,
    }


def _queries(engine: Engine, texts: Sequence[str] | None) -> dict[str, Sequence[Any]]:
    """Queries of each kind that the file takes, by method of the engine: sentences, images, vectors."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((DISTINCT, engine.dimension)).astype(np.float32)
    queries: dict[str, Sequence[Any]] = {"search_embedding": list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))}
    sentences = list(texts or _examples(engine) or [TEXT])
    try:
        engine.embed_text(sentences[0])
    except InvalidArgumentError:
        if texts:
            raise
    else:
        queries["embed_text"] = queries["search_text"] = sentences
    try:
        height, width = engine.image_size()
    except InvalidArgumentError:
        return queries
    queries["embed_image"] = queries["search_image"] = list(rng.integers(0, 256, (DISTINCT, height, width, 3), dtype=np.uint8))
    return queries


def _examples(engine: Engine) -> list[str]:
    manifest = getattr(engine, "manifest", None)
    golden = manifest.golden if isinstance(manifest, Manifest) else []
    return [
        entry["query"] for entry in golden if isinstance(entry.get("query"), str) and entry["signature"] in ("search_text", "search_tokens")
    ]


def _times(engine: Engine, method: str, queries: Sequence[Any], count: int) -> list[float]:
    """Seconds of each of `count` calls, with the queries in turn."""
    call, more = getattr(engine, method), (SearchRequest(max_results=RESULTS),) if method.startswith("search_") else ()
    times = []
    for number in range(count):
        query = queries[number % len(queries)]
        begin = time.perf_counter()
        call(query, *more)
        times.append(time.perf_counter() - begin)
    return times


def _opening(opened: Callable[[], Engine], asked: dict[str, Sequence[Any]], opens: int) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds to open the file, and to answer the first query of each kind. The file is opened again for each query."""
    opening: list[float] = []
    first: dict[str, list[float]] = {}
    for method in (name for name in asked if name.startswith("search_")):
        for _ in range(opens):
            begin = time.perf_counter()
            engine = opened()
            opening.append(time.perf_counter() - begin)
            first.setdefault(method.removeprefix("search_"), []).extend(_times(engine, method, asked[method], 1))
            engine.close()
    return opening, first


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    values = np.percentile(np.array(seconds) * 1e3, PERCENTILES)
    return {**{f"p{p}": round(float(v), 4) for p, v in zip(PERCENTILES, values, strict=True)}, "count": len(seconds)}


def _runtime() -> dict[str, str | None]:
    """The interpreter that was loaded, and its version."""
    for module, distribution in RUNTIMES.items():
        if f"{module}.interpreter" in sys.modules:
            try:
                return {"name": distribution, "version": metadata.version(distribution)}
            except metadata.PackageNotFoundError:
                return {"name": distribution, "version": None}
    return {"name": None, "version": None}


def _machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    """The name of the board or the processor, as far as the system reports it."""
    if name := _read(BOARD).strip("\0\n "):
        return name
    for line in _read(PROC / "cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Hardware", "Model"):
            return value.strip()
    return platform.processor()


def _resident() -> float | None:
    for line in _read(PROC / "self" / "status").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return None


def _read(path: Path) -> str:
    """The text of a system file; empty if it is missing or not readable, as on some Android devices."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
