"""The benchmark against other libraries; `make bench` runs it.

`python -m tests.benchmarks.peers.run [--data flickr,minilm] [--items N] [--peers a,b] [--rounds N] [--minutes N]`; `--help` lists all.

Every library runs in its own process, on one thread, with the same float32 vectors, one query at a time. First, all builds and settings of
a variant are swept. Then the settings on its Pareto front are timed in rounds, all variants in each round. The results of a run replace
earlier ones of the same variants in `results.json`; table and plots show all variants.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from maker.workspace import atomic

from . import measure, report
from .data import DataMissingError, prepare
from .measure import Measured, Sweep, say
from .process import ROOT
from .variants import RECALLS, REFERENCE, TASK_LIBRARY, variants

NAMES = ("flickr", "minilm", "lite2", "lite2-512", "clustered", "heavy")
DEFAULT = ("flickr", "clustered", "heavy")  # the others take hours
QUICK_ITEMS = 21_000  # the project partitions from 20,000 items on


def main() -> int:
    """Runs the benchmark and draws the report."""
    parser = argparse.ArgumentParser(description="Measures this project against other libraries.")
    parser.add_argument("--data", default=",".join(DEFAULT), help="data sets (default: %(default)s)")
    parser.add_argument("--items", type=int, help="items per data set (default: 123287)")
    parser.add_argument("--peers", help="names or prefixes of names, separated by commas; pocket is always included (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="indexes to build at the same time, each on one thread (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, help="leave out and name a variant if one of its builds takes longer (default: no limit)")
    parser.add_argument("--rebuild", action="store_true", help="build existing indexes again")
    parser.add_argument("--quick", action="store_true", help="few items, one build and one round, to test that everything works")
    parser.add_argument("--work", type=Path, default=Path("build/bench"))
    parser.add_argument("--report", action="store_true", help="only draw table and plots from existing results")
    given = parser.parse_args()
    names = given.data.split(",")
    if unknown := set(names) - set(NAMES):
        parser.error(f"--data: {', '.join(sorted(unknown))}: unknown, expected some of {', '.join(NAMES)}")
    items = given.items or (QUICK_ITEMS if given.quick else 123_287)
    for name in () if given.report else names:
        try:
            entry = run(name, items, given)
        except DataMissingError as error:
            say(f"{name} is skipped: {error}")
            entry = {"variants": {}, "skipped": {"all": str(error)}}
        results = read(given.work / "results.json")  # again, because other runs may have ended meanwhile
        merge(results["data"], f"{name}-{items}", entry)
        write(given.work / "results.json", results)
    sys.stdout.write(report.write(read(given.work / "results.json"), given.work) + "\n")
    return 0


def run(name: str, items: int, given: argparse.Namespace) -> dict[str, Any]:
    """Measures the selected variants on one data set.

    Raises:
        DataMissingError: The data set cannot be made.
    """
    data = prepare(name, items, given.work)
    wanted = given.peers.split(",") if given.peers else [""]
    known = variants(data, items, given.quick)
    chosen = [v for v in known if v.name == REFERENCE or any(v.name.startswith(w) for w in wanted)]
    if unknown := [w for w in wanted if not any(v.name.startswith(w) for v in known)]:
        raise SystemExit(f"--peers: {', '.join(unknown)}: unknown, expected some of {', '.join(v.name for v in known)}")
    if any(v.engine == "task_library" for v in chosen) and not (given.quick or TASK_LIBRARY.exists()):
        make_task_library()
    say(f"{name}, {items} items: {len(chosen)} variants")
    begin, load = time.time(), os.getloadavg()
    skipped: dict[str, str] = {}
    effort = Sweep(seconds=0.3, queries=100) if given.quick else Sweep()
    truth = np.load(data.folder / "truth.npy")
    measured = [Measured(variant, data, given.work) for variant in chosen]
    measured = measure.build_all(measured, given.rebuild, given.jobs, given.minutes and 60 * given.minutes, skipped)
    measured = measure.run_step(measured, "sweep", lambda m: m.sweep(truth, effort), skipped)
    try:
        measure.time_rounds(measured, 1 if given.quick else given.rounds)
    finally:
        for one in measured:
            one.close()
    measured = measure.run_step(measured, "open", lambda m: m.open_fresh(RECALLS[1]), skipped)
    reference = next((m for m in measured if m.variant.name == REFERENCE), None)
    about = {
        "machine": machine(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime(begin)),
        "rounds": 1 if given.quick else given.rounds,
        "load_before": round(load[0], 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    return {"variants": {m.variant.name: entry_of(m, reference, about) for m in measured}, "skipped": skipped}


def entry_of(one: Measured, reference: Measured | None, run: dict[str, Any]) -> dict[str, Any]:
    """The entry of a variant in the results."""
    return {
        "label": one.variant.label,
        "library": one.variant.library,
        "version": one.version,
        "builds": one.builds,
        "points": [point.figures() for point in one.points],
        "best": {str(recall): best_of(one, reference, recall) for recall in RECALLS},
        "opened": one.probe,
        "run": run,
    }


def best_of(one: Measured, reference: Measured | None, recall: float) -> dict[str, Any] | None:
    """The fastest point with the recall, and its time relative to the reference: the median over the rounds of this run.

    `times_pocket` compares elapsed time; `times_pocket_cpu` compares processor time, which a busy machine changes less.
    """
    point = measure.best(one.points, recall)
    if point is None:
        return None
    against = measure.best(reference.points, recall) if reference else None
    ratio = round(float(np.median(np.divide(point.p50, against.p50))), 2) if against else None
    cpu = round(float(np.median(np.divide(point.p50_cpu, against.p50_cpu))), 2) if against else None
    return {**point.figures(), "times_pocket": ratio, "times_pocket_cpu": cpu, **one.builds[point.build]}


def make_task_library() -> None:
    """Makes the Task Library's environment, as the conformance run does; if this fails, it prints why, and its variants are left out."""
    code = "from pathlib import Path; from run import reference_python; reference_python(Path('../../build/task_library').resolve())"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tests" / "conformance", check=False)


def merge(data: dict[str, Any], name: str, entry: dict[str, Any]) -> None:
    """Replaces variants of earlier runs by those of this run."""
    kept = data.setdefault(name, {"variants": {}, "skipped": {}})
    kept["variants"].update(entry["variants"])
    skipped = {k: v for k, v in kept["skipped"].items() if k != "all"} | entry["skipped"]
    kept["skipped"] = {k: v for k, v in skipped.items() if k not in entry["variants"]}


def read(path: Path) -> dict[str, Any]:
    """Reads the results of earlier runs."""
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"data": {}}
    return results


def write(path: Path, results: dict[str, Any]) -> None:
    """Writes the results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(results, indent=1), encoding="utf-8")


def machine() -> str:
    """Processor, cores and system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def commit() -> str:
    """The commit, followed by a plus if the working tree has changes."""
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return f"{head}{'+' if changed else ''}"


if __name__ == "__main__":
    sys.exit(main())
