"""Builds, sweeps and times the variants. Variants are timed in turns, so that other load on the machine affects all alike."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maker.index.ties import right_results

from .data import DataSet
from .process import ROOT, PeerError, Process
from .variants import Build, Variant

OWN_CODE = ("pocket", "task_library")  # engines with indexes that this project writes
ROUND_SECONDS, ROUND_QUERIES = 0.5, 300
ENOUGH = 0.995  # a sweep ends at this recall
LEAST = 0.8  # settings with less recall are not timed
PROBES = 3


@dataclass(frozen=True)
class Sweep:
    """The most time and queries to measure the recall of a setting."""

    seconds: float = 3.0
    queries: int = 1000


@dataclass
class Point:
    """A setting of a build, with its recall and its latency in each round."""

    build: str
    setting: Any
    recall: float
    swept_ms: float
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    p50_cpu: list[float] = field(default_factory=list)
    p99_cpu: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Figures for the results: medians over the rounds, in milliseconds."""
        return {
            "build": self.build,
            "setting": self.setting,
            "recall": round(self.recall, 4),
            "p50_ms": round(statistics.median(self.p50), 4),
            "p99_ms": round(statistics.median(self.p99), 4),
            "p50_cpu_ms": round(statistics.median(self.p50_cpu), 4),
            "p99_cpu_ms": round(statistics.median(self.p99_cpu), 4),
            "rounds_p50_ms": [round(p, 4) for p in self.p50],
        }


class Measured:
    """A variant while it is measured.

    Attributes:
        variant: The variant.
        version: Version of the library.
        builds: Figures of each build.
        points: The settings on the Pareto front of recall and latency.
        probe: Time and memory to open a file.
    """

    def __init__(self, variant: Variant, data: DataSet, work: Path) -> None:
        self.variant, self._data, self._work = variant, data, work
        self.builds: dict[str, dict[str, Any]] = {}
        self.points: list[Point] = []
        self.probe: dict[str, Any] = {}
        self.version = ""
        self._process: Process | None = None

    def build(self, rebuild: bool, code: str, limit: float | None) -> None:
        """Builds the missing indexes, each in a fresh process and within `limit` seconds."""
        python = self.variant.build_python or self.variant.python
        for build in self.variant.builds:
            folder = self._folder(build)
            with self._started(python) as process:
                config = {key: value for key, value in build.config.items() if key != "call"}
                made_of = [config, process.version, (self._data.folder / "data.json").read_text()]
                if self.variant.engine in OWN_CODE:
                    made_of.append(code)
                digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
                marker = folder / "build.json"
                if marker.exists() and not (rebuild and self.variant.shares is None):
                    kept = json.loads(marker.read_text())
                    if kept.pop("made_of") == digest:
                        self.builds[build.name] = kept
                        continue
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                say(f"  build {self.variant.name}, {build.name}")
                figures = process.request("build", limit, vectors=str(self._data.vectors), folder=str(folder), config=build.config)
                marker.write_text(json.dumps({"made_of": digest, **figures}))
                self.builds[build.name] = figures

    def sweep(self, truth: np.ndarray, effort: Sweep) -> None:
        """Opens the indexes and finds the settings to time."""
        self._process = self._started(self.variant.python)
        self.version = self._process.version
        swept = []
        vectors, queries = np.load(self._data.vectors, mmap_mode="r"), np.load(self._data.folder / "queries.npy")
        for build in self.variant.builds:
            self._process.request("open", build=build.name, folder=str(self._folder(build)), config=build.config)
            for setting in build.settings:
                response = self._search(build.name, setting, effort.seconds, 0, effort.queries)
                recall = recall_of(response["ids"], truth, vectors, queries)
                swept.append(Point(build.name, setting, recall, statistics.median(response["ms"])))
                if recall >= ENOUGH:
                    break
        recalls = [point.recall for point in swept]
        say(f"  sweep {self.variant.name}: {len(swept)} settings, recall {min(recalls):.3f} to {max(recalls):.3f}")
        self.points = list(pareto_front(swept))

    def round(self, number: int) -> None:
        """Times every setting once."""
        for point in self.points:
            response = self._search(point.build, point.setting, ROUND_SECONDS, number * ROUND_QUERIES, ROUND_QUERIES)
            point.p50.append(float(np.median(response["ms"])))
            point.p99.append(float(np.percentile(response["ms"], 99)))
            point.p50_cpu.append(float(np.median(response["cpu_ms"])))
            point.p99_cpu.append(float(np.percentile(response["cpu_ms"], 99)))

    def close(self) -> None:
        """Ends the worker process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def open_fresh(self, wanted: float) -> None:
        """Opens the index of the best setting in fresh processes: milliseconds to open and to the first result, memory after 100."""
        point = best(self.points, wanted) or max(self.points, key=lambda p: p.recall)
        (build,) = [b for b in self.variant.builds if b.name == point.build]
        rows = []
        for _ in range(PROBES):
            with self._started(self.variant.python) as process:
                opened = process.request("open", build=build.name, folder=str(self._folder(build)), config=build.config)
                shared = {"build": build.name, "setting": point.setting, "queries": str(self._queries(build.name)), "seconds": 60.0}
                first = process.request("search", **shared, count=1, warm_up=0)["ms"][0]
                after = process.request("search", **shared, count=100, warm_up=0)["resident"]
                rows.append((opened["open_ms"], opened["open_ms"] + first, (after - opened["before"]) / 1e6))
        names = ("open_ms", "first_answer_ms", "resident_mb")
        self.probe = {name: round(statistics.median(column), 2) for name, column in zip(names, zip(*rows, strict=True), strict=True)}

    def _search(self, build: str, setting: Any, seconds: float, first: int, count: int) -> dict[str, Any]:
        assert self._process is not None
        queries = str(self._queries(build))
        return self._process.request("search", build=build, setting=setting, queries=queries, seconds=seconds, first=first, count=count)

    def _queries(self, build: str) -> Path:
        if self.variant.queries == "vectors":
            return self._data.folder / "queries.npy"
        folder = self._data.folder if self.variant.queries == "sentences" else self._folder_of(build)
        return folder / "queries.txt"

    def _folder(self, build: Build) -> Path:
        return self._folder_of(build.name)

    def _folder_of(self, build: str) -> Path:
        return self._data.folder / "indexes" / (self.variant.shares or self.variant.name) / build.replace(" ", "-").replace(",", "_")

    def _started(self, python: Path) -> Process:
        return Process(python, self.variant.engine, self._work / "workers.log")


def pareto_front(points: list[Point]) -> Iterator[Point]:
    """The points that no other point beats in both recall and latency, by ascending recall; without those below a useful recall."""
    fastest = float("inf")
    kept = []
    for point in sorted(points, key=lambda p: (-p.recall, p.swept_ms)):
        if point.swept_ms < fastest:
            kept.append(point)
            fastest = point.swept_ms
    useful = [point for point in kept if point.recall >= LEAST]
    yield from reversed(useful or kept[:1])


def recall_of(ids: list[list[int]], truth: np.ndarray, vectors: np.ndarray, queries: np.ndarray) -> float:
    """The mean share of right results in `ids`; `truth` and `queries` may have more rows than were run."""
    rows = zip(queries[: len(ids)], ids, truth[: len(ids)], strict=True)
    return float(np.mean([right_results(vectors, query, found, true, "dot_product") / len(true) for query, found, true in rows]))


def best(points: list[Point], recall: float) -> Point | None:
    """The fastest point with at least that recall; None if there is none."""
    return min((p for p in points if p.recall >= recall), key=lambda p: statistics.median(p.p50), default=None)


def time_rounds(measured: list[Measured], rounds: int) -> None:
    """Times all settings of all variants in rounds, each round in a different order."""
    rng = np.random.default_rng(0)
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        for i in rng.permutation(len(measured)):
            measured[i].round(number)


def run_step(
    measured: list[Measured], what: str, step: Callable[[Measured], None], skipped: dict[str, str], at_a_time: int = 1
) -> list[Measured]:
    """Runs a step for each variant; variants that fail are left out, with the reason in `skipped`."""

    def succeeds(one: Measured) -> bool:
        try:
            step(one)
        except PeerError as error:
            skipped[one.variant.name] = f"{what}: {error}"
            say(f"  {one.variant.name} is left out ({what}: {error})")
            one.close()
            return False
        return True

    with ThreadPoolExecutor(at_a_time) as pool:
        return [one for one, success in zip(measured, pool.map(succeeds, measured), strict=True) if success]


def build_all(measured: list[Measured], rebuild: bool, at_a_time: int, limit: float | None, skipped: dict[str, str]) -> list[Measured]:
    """Builds all indexes, several at a time, each on one thread; variants that share indexes come last."""
    code = own_code()
    done: list[Measured] = []
    for shared in (False, True):
        part = [one for one in measured if (one.variant.shares is not None) == shared]
        done += run_step(part, "build", lambda one: one.build(rebuild, code, limit), skipped, at_a_time)
    return [one for one in measured if one in done]


def own_code() -> str:
    """A digest of the sources that write this project's indexes; if it changes, the indexes are built again."""
    digest = hashlib.sha256()
    for package in ("index", "export", "graph", "pipeline"):
        for path in sorted((ROOT / "maker" / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def say(line: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
