"""Writes a release's measured figures to `docs/benchmarks/<version>.json`; `make bench-history` runs it.

It reads the output of `make bench-flickr`, `bench`, `bench-scale` and `bench-ten-million` in `build/`. A target that was not run is left
out with a message. A file is `{"version", "date", "machine", "figures"}`; `figures` has an object for each name, `{"value", "unit",
"better", "target"}`, so a curve over releases is `[file["figures"][name]["value"] for file in files]`. The meaning of a name never changes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from task.format import archive

from .peers.process import ROOT
from .peers.run import machine

FOLDER = ROOT / "docs" / "benchmarks"
RETRIEVAL = ("R@1", "R@5", "R@10")
SCALES = {"1000000x128": "make bench-scale", "10000000x64": "make bench-ten-million"}
# Figures of `build/scale/*.json`: the unit, and which way is better.
OF_SCALE = {
    "index_s": ("s", "lower"),
    "peak_memory_over_embeddings": ("times", "lower"),
    "bytes_per_item": ("bytes", "lower"),
    "recall_of_other_queries": ("share", "higher"),
    "p50_ms": ("ms", "lower"),
    "p99_ms": ("ms", "lower"),
    "open_and_first_query_ms": ("ms", "lower"),
}
Figure = tuple[str, float, str, str, str]  # name, value, unit, better, target


def main(argv: list[str] | None = None) -> int:
    """Writes the file."""
    parser = argparse.ArgumentParser(description="Writes the figures of a release.")
    parser.add_argument("version")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(argv)
    found = [*of_flickr(given.build / "flickr" / "searcher.tflite"), *of_bench(given.build / "bench" / "results.json")]
    for size, target in SCALES.items():
        found += of_scale(given.build / "scale" / f"{size}.json", size, target)
    if not found:
        parser.error(f"{given.build}: nothing was measured; run make bench-flickr bench bench-scale")
    figures = {name: {"value": v, "unit": unit, "better": better, "target": target} for name, v, unit, better, target in found}
    content = {"version": given.version, "date": time.strftime("%Y-%m-%d"), "machine": machine(), "figures": figures}
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / f"{given.version}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}: {len(figures)} figures\n")
    return 0


def of_flickr(path: Path) -> Iterator[Figure]:
    """Retrieval, size and latency, from the report in the searcher's manifest."""
    if not measured(path, "make bench-flickr"):
        return
    content = path.read_bytes()
    start, size = archive.locate(content)["searcher.json"]
    report = json.loads(content[start : start + size])["report"]
    target = "make bench-flickr"
    for direction, values in (("text_to_image", report["retrieval"]), ("image_to_text", report["retrieval"]["image_to_text"])):
        for name in RETRIEVAL:
            yield f"flickr8k.{direction}.{name}", values[name], "%", "higher", target
    yield "flickr8k.file_mb", round(len(content) / 1e6, 1), "MB", "lower", target
    for name in ("p50_ms", "p99_ms"):
        yield f"flickr8k.search_text.{name}", report["search_text"][name], "ms", "lower", target


def of_bench(path: Path) -> Iterator[Figure]:
    """This project at recall 0.95, and the others' times as multiples of its own in the same run."""
    if not measured(path, "make bench"):
        return
    for data, entry in json.loads(path.read_text(encoding="utf-8"))["data"].items():
        for name, variant in entry["variants"].items():
            if best := variant["best"]["0.95"]:
                yield from of_variant(f"bench.{data}", name, variant, best)


def of_variant(prefix: str, name: str, variant: dict[str, Any], best: dict[str, Any]) -> Iterator[Figure]:
    """A line of the benchmark's table."""
    target = "make bench"
    if name == "pocket":
        yield f"{prefix}.p50_at_90_ms", variant["best"]["0.9"]["p50_ms"], "ms", "lower", target
        for key, unit in (("p50_ms", "ms"), ("p99_ms", "ms"), ("bytes_per_item", "bytes"), ("cpu_seconds", "s")):
            yield f"{prefix}.{key}", best[key], unit, "lower", target
        yield f"{prefix}.open_ms", round(variant["opened"]["open_ms"], 2), "ms", "lower", target
    elif best["times_pocket"] is not None and not name.startswith("pocket"):
        yield f"{prefix}.{name}.times_ours", best["times_pocket"], "times", "higher", target


def of_scale(path: Path, size: str, target: str) -> Iterator[Figure]:
    """Indexing and searching many items."""
    if not measured(path, target):
        return
    figures = json.loads(path.read_text(encoding="utf-8"))
    for name, (unit, better) in OF_SCALE.items():
        yield f"scale.{size}.{name}", figures[name], unit, better, target


def measured(path: Path, target: str) -> bool:
    """Whether the output of the target exists; prints a message if not."""
    if not path.exists():
        sys.stderr.write(f"left out: {path} is missing; {target} makes it\n")
    return path.exists()


if __name__ == "__main__":
    sys.exit(main())
