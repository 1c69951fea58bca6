"""Runs one library in its own process: `worker.py ENGINE` reads one JSON request per line from stdin and writes its response to stdout.

Requests are `{"do": "version"}`, `build` (in a fresh process, so that its memory peak is measured alone), `open` and `search`. The process
runs in the library's own environment and imports only NumPy and the library.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 20
STATUS = Path("/proc/self/status")


def main(engine: str) -> None:
    """Handles requests until stdin ends."""
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of the libraries must not mix with responses
    worker = Worker(engine)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            response = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            response = {"error": f"{type(error).__name__}: {error}"}
        responses.write(json.dumps(response) + "\n")
        responses.flush()


class Worker:
    """The open builds of an engine, by name."""

    def __init__(self, engine: str) -> None:
        self._module = engine
        self._opened: dict[str, Any] = {}
        self._queries: dict[str, Any] = {}

    def _engine(self) -> Any:
        return importlib.import_module(f"tests.benchmarks.peers.engines.{self._module}").Engine()

    def version(self) -> dict[str, Any]:
        """The version of the library."""
        return {"version": self._engine().version()}

    def build(self, vectors: str, folder: str, config: dict[str, Any]) -> dict[str, Any]:
        """Builds and saves an index; the engine's `build` returns its size in bytes without metadata."""
        engine = self._engine()
        engine.version()  # imports the library
        rows = np.load(vectors)
        begin, cpu = time.perf_counter(), cpu_seconds()
        size = engine.build(rows, Path(folder), config)
        return {
            "seconds": round(time.perf_counter() - begin, 2),
            "cpu_seconds": round(cpu_seconds() - cpu, 2),
            "peak_mb": round(peak_memory() / 1e6, 1),
            "bytes_per_item": round(size / len(rows), 1),
        }

    def open(self, build: str, folder: str, config: dict[str, Any]) -> dict[str, Any]:
        """Opens an index; `open_ms` are milliseconds, `before` the resident bytes before opening."""
        engine = self._engine()
        engine.version()
        before = resident()
        begin = time.perf_counter()
        engine.open(Path(folder), config)
        self._opened[build] = engine
        return {"open_ms": 1e3 * (time.perf_counter() - begin), "before": before}

    def search(
        self, build: str, setting: Any, queries: str, seconds: float, first: int = 0, count: int = 1000, warm_up: int = WARM_UP
    ) -> dict[str, Any]:
        """Runs queries one at a time, from number `first` on, until `count` are done or the time is over.

        Returns:
            `ids`, a list per query; `ms`, the latency of each; `cpu_ms`, the processor time of each (which other processes affect less);
            `resident`, bytes of this process in memory.
        """
        engine = self._opened[build]
        engine.use(setting)
        loaded = self._load(queries)
        for query in loaded[:warm_up]:
            engine.search(query)
        ids, times, cpu_times = [], [], []
        end = time.perf_counter() + seconds
        for number in range(first, first + count):
            query = loaded[number % len(loaded)]
            cpu = time.process_time()
            begin = time.perf_counter()
            result = engine.search(query)
            done = time.perf_counter()
            cpu_times.append(1e3 * (time.process_time() - cpu))
            times.append(1e3 * (done - begin))
            ids.append([int(i) for i in engine.ids(result)])
            if done > end:
                break
        return {"ids": ids, "ms": times, "cpu_ms": cpu_times, "resident": resident()}

    def _load(self, queries: str) -> Any:
        if queries not in self._queries:
            path = Path(queries)
            self._queries[queries] = np.load(path) if path.suffix == ".npy" else path.read_text(encoding="utf-8").splitlines()
        return self._queries[queries]


def cpu_seconds() -> float:
    """Processor seconds of this process and its finished children."""
    return sum(os.times()[:4])


def peak_memory() -> int:
    """The largest number of bytes that this process, or a child, had in memory."""
    own = _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


def resident() -> int:
    """Bytes that this process has in memory now; 0 if the system does not report it."""
    return _status("VmRSS")


def _status(key: str) -> int:
    if not STATUS.exists():
        return 0
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1])
