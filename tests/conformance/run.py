"""Compares `task` with the Task Library itself: the same files, the same questions.

`python tests/conformance/run.py [--environment DIR] [--items N]` makes a virtual environment with tflite-support 0.4.4 where there is
none (CPython 3.9 to 3.11; Debian's libusb-1.0-0 and libportaudio2), writes models and indexes, asks both libraries, and compares. Exit
status: 0 where they agree or where the environment cannot be made, 1 where they differ, or where it cannot be made and `CI` is set.
"""

# ruff: noqa: T201 - it reports to a terminal

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import task_library_files as files  # noqa: E402
from exported import exported_jobs  # noqa: E402

from task.task_library import snappy  # noqa: E402
from task.task_library.scann_messages import IndexConfig, LookupType  # noqa: E402
from task.task_library.sstable import SSTable  # noqa: E402
from tests.outside_data import LEGACY, WEIGHTS, absent  # noqa: E402

REQUIREMENTS = ["tflite-support==0.4.4", "numpy<2"]
PYTHONS = ["python3.11", "python3.10", "python3.9"]
DIMENSION, QUERIES, SIDE = 24, 40, (12, 10)
TOLERANCES = {"float": 1e-5, "hashed": 1e-4}  # of a distance, relative to the larger of 1 and itself
PIXEL_STEP = 1.0  # x86 rounds means of four twice
WORDS = b"<PAD> 0\n<START> 1\n<UNKNOWN> 2\nthe 3\nThe 4\ncat's 5\nweather 6\nit 7\nna 9\n"
PIECES = "[PAD] [UNK] [CLS] [SEP] the cat ##s un ##aff ##able ' s , ! 猫 naive na ##ï ##ve … — it ##_ _ $ + é ¿ 東".replace(
    " ", "\n"
).encode()
TEXTS = [
    "",
    "the cat's The weather",
    " the, ,it!! ",
    "naïve it",
    "the\0it",
    "it " * 50,
    "it\n\tthe_it",
    "猫 the",
    "…the—it",
    "THE",
    "unaffable",
]
TEXTS += ["UNAFFABLE cats'", "猫猫the", "the$it+", "¿the?", "Éé", "東京 it", "it\u00a0the", "it\u3000the", "a" * 120 + " it", "the\x0bit"]


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description="Compares task with tflite-support.")
    parser.add_argument("--environment", type=Path, default=HERE.parents[1] / "build" / "task_library", help="virtual environment")
    parser.add_argument("--items", type=int, default=4000, help="rows of each index")
    arguments = parser.parse_args()
    python = reference_python(arguments.environment)
    if python is None:
        return 1 if os.environ.get("CI") else 0
    for folder in (LEGACY, WEIGHTS):
        if not folder.is_dir():
            print(f"left out: {absent(folder)}")
    with tempfile.TemporaryDirectory() as folder:
        jobs = make_jobs(Path(folder), arguments.items)
        (Path(folder) / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
        expected = ask(python, Path(folder), "tflite_support")
        found = ask(Path(sys.executable), Path(folder), "task")
    problems = [f"{job['name']}: {problem}" for job, a, b in zip(jobs, expected, found, strict=True) if (problem := difference(job, a, b))]
    for problem in problems:
        print(f"differs: {problem}")
    neighbors = sum(len(r) for job, a in zip(jobs, expected, strict=True) if "Searcher" in job["kind"] for r in a.get("results", []))
    queries = sum(len(job["queries"]) for job in jobs)
    print(f"{len(jobs) - len(problems)} of {len(jobs)} comparisons agree; {queries} queries, {neighbors} neighbours")
    return 1 if problems else 0


def reference_python(environment: Path) -> Path | None:
    """The interpreter that has tflite-support, made where it is missing; None where that does not work."""
    python = environment / "bin" / "python"
    if not python.exists():
        found = next((p for p in map(shutil.which, PYTHONS) if p and subprocess.run([p, "-V"], capture_output=True).returncode == 0), None)
        if found is None:
            print(f"skipped: tflite-support needs one of {', '.join(PYTHONS)}")
            return None
        commands = [[found, "-m", "venv", str(environment)], [str(python), "-m", "pip", "install", "-q", *REQUIREMENTS]]
        for command in commands:
            if subprocess.run(command).returncode:
                shutil.rmtree(environment, ignore_errors=True)
                print(f"skipped: {' '.join(command)} failed")
                return None
    check = "import sys; sys.modules['tensorflow'] = None; import tflite_support"
    tried = subprocess.run([python, "-c", check], capture_output=True, text=True)
    if tried.returncode:
        problem = tried.stderr.strip().splitlines()[-1]
        print(f"skipped: tflite-support cannot be imported ({problem}); apt-get install libusb-1.0-0 libportaudio2")
        return None
    return python


def ask(python: Path, folder: Path, library: str) -> list[dict[str, Any]]:
    """A library's answers; a job at which it crashes has the error `crash`."""
    jobs = json.loads((folder / "jobs.json").read_text(encoding="utf-8"))
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]) if library == "task" else ""}
    answers: list[dict[str, Any]] = []
    while len(answers) < len(jobs):
        (folder / "rest.json").write_text(json.dumps(jobs[len(answers) :]), encoding="utf-8")
        command = [str(python), str(HERE / "ask.py"), str(folder / "rest.json"), str(folder / "answers.jsonl"), library]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines() if (folder / "answers.jsonl").exists() else []
        answers += [json.loads(line) for line in lines]
        if done.returncode:
            answers.append({"error": ["crash"], "message": done.stderr[-300:]})
    return answers


def make_jobs(folder: Path, items: int) -> list[dict[str, Any]]:
    """Models, indexes and the questions to them."""
    rng = np.random.default_rng(11)
    # Rows in clusters, so that leaves mean something.
    centres = rng.standard_normal((60, DIMENSION))
    rows = (centres[rng.integers(0, 60, items)] + 0.6 * rng.standard_normal((items, DIMENSION))).astype(np.float32)
    queries = (centres[rng.integers(0, 60, QUERIES)] + 0.6 * rng.standard_normal((QUERIES, DIMENSION))).astype(np.float32)
    metadata = [f"item {i}".encode() if i % 7 else bytes([i % 256, 0, 255]) for i in range(items)]
    projection = rng.standard_normal((DIMENSION, SIDE[0] * SIDE[1] * 3)).astype(np.float32) / 3000
    images = []
    for i, size in enumerate([SIDE, (31, 17), (7, 9), (64, 48), (24, 20), (5, 40)]):
        images.append(str(folder / f"image_{i}.npy"))
        np.save(images[-1], rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    jobs: list[dict[str, Any]] = []
    kinds = ("float", "hashed_1", "hashed_2")
    for number, (leaves, kind, distance, packed) in enumerate(itertools.product((0, 15), kinds, (files.DOT, files.L2), (False, True))):
        options = {
            "leaves": leaves,
            "searched": 4,
            "distance": distance,
            "compress": snappy.compress if packed else None,
            "user_info": b"info",
        }
        if kind == "float":
            index = files.float_index(rows, metadata, **options)
        else:
            lookup = (LookupType.INT8, LookupType.INT16, LookupType.FLOAT)[number % 3]
            index = files.hashed_index(rows, metadata, block=int(kind[-1]), lookup=lookup, **options)
        name = f"{'tree' if leaves else 'flat'} {kind} {distance.name} {'snappy' if packed else 'raw'}"
        text = files.lookup_text_model(folder / f"text_{number}.tflite", queries, index)
        image = files.echo_image_model(folder / f"image_{number}.tflite", SIDE, projection=projection, index=index)
        shared = {"kind": "TextSearcher", "model": str(text), "tolerance": TOLERANCES[kind.split("_")[0]]}
        jobs.append({**shared, "name": f"text {name}", "queries": [f"q{i}" for i in range(QUERIES)], "max_results": 10})
        jobs.append({**shared, "name": f"all rows {name}", "queries": ["q0", "q1"], "max_results": items})
        jobs.append({**shared, "name": f"image {name}", "kind": "ImageSearcher", "model": str(image), "queries": images[:3]})
    for kind, compress in itertools.product(kinds, (False, True)):
        jobs.append(builder_job(folder, kind, compress, rows, metadata))
    return jobs + other_jobs(folder, rows, metadata, queries, images) + exported_jobs(folder, items, images)


def builder_job(folder: Path, kind: str, compress: bool, rows: np.ndarray, metadata: list[bytes]) -> dict[str, Any]:
    """The parts of an index, to be written by both libraries."""
    options: dict[str, Any] = {"leaves": 15, "searched": 4, "distance": files.DOT}
    index = (
        files.float_index(rows, metadata, **options)
        if kind == "float"
        else files.hashed_index(rows, metadata, block=int(kind[-1]), **options)
    )
    table = SSTable(index)
    config = IndexConfig.decode(table[b"INDEX_CONFIG"])
    dtype = np.float32 if kind == "float" else np.uint8
    partitions = [np.frombuffer(table[f"E_{i}".encode()], dtype).reshape(-1, config.embedding_dim) for i in range(15)]
    leaves = np.repeat(np.arange(15), [len(p) for p in partitions])
    shuffled = np.random.default_rng(0).permutation(len(rows))
    parts = folder / f"parts_{kind}.npz"
    np.savez(
        parts,
        rows=np.concatenate(partitions)[shuffled],
        leaves=leaves[shuffled],
        config=np.frombuffer(config.scann_config.encode(), np.uint8),
    )
    name = f"bytes of an index, {kind} {'snappy' if compress else 'raw'}"
    return {
        "kind": "IndexBuilder",
        "name": name,
        "parts": str(parts),
        "compress": compress,
        "metadata": [m.hex() for m in metadata],
        "queries": [""],
    }


def other_jobs(folder: Path, rows: np.ndarray, metadata: list[bytes], queries: np.ndarray, images: list[str]) -> list[dict[str, Any]]:
    """Options, tokenizers, resizing, errors and the published file."""
    index = folder / "index.ldb"
    index.write_bytes(files.float_index(rows, metadata, leaves=13, searched=7, distance=files.L2))
    bare = str(files.lookup_text_model(folder / "bare.tflite", queries))
    names = [f"q{i}" for i in range(5)]
    echo = str(files.echo_image_model(folder / "echo.tflite", SIDE))
    plain = str(files.echo_image_model(folder / "plain.tflite", SIDE, np.float32))
    bad = folder / "bad.ldb"
    bad.write_bytes(b"no table" * 20)
    short = folder / "short.ldb"
    short.write_bytes(b"short")
    search = {"kind": "TextSearcher", "model": bare, "index": str(index), "queries": names, "tolerance": 1e-5}
    embed = {"kind": "TextEmbedder", "queries": TEXTS, "tolerance": 0.0}
    pixels = {"kind": "ImageEmbedder", "model": echo, "tolerance": PIXEL_STEP}
    jobs = [
        {**search, "name": "separate index"},
        {**search, "name": "l2_normalize", "l2_normalize": True},
        {**search, "name": "more results than rows", "max_results": len(rows) + 5, "queries": names[:1]},
        {**embed, "name": "regex", "model": str(files.echo_ids_model(folder / "regex.tflite", 8, WORDS))},
        {**embed, "name": "regex \\s+", "model": str(files.echo_ids_model(folder / "spaces.tflite", 6, WORDS[:-1], r"\s+"))},
        {**embed, "name": "bert", "model": str(files.echo_bert_model(folder / "bert.tflite", 10, PIECES))},
        {**embed, "name": "bert, other names", "model": str(files.echo_bert_model(folder / "bert2.tflite", 2, PIECES, ("a", "b", "c")))},
        {**embed, "name": "quantize", "model": bare, "queries": names, "l2_normalize": True, "quantize": True},
        *({**pixels, "name": f"resize {Path(image).stem}", "queries": [image]} for image in images),
        {**pixels, "name": "bounding box", "queries": images[3:4], "box": [3, 5, 33, 21]},
        {**pixels, "name": "error: bounding box", "queries": images[3:4], "box": [3, 5, 300, 21]},
        {**pixels, "name": "error: no normalisation", "model": plain, "queries": images[:1]},
        {**search, "name": "error: no index", "index": None},
        {**search, "name": "error: missing index", "index": str(folder / "none.ldb")},
        {**search, "name": "error: bad index", "index": str(bad)},
        {**search, "name": "error: short index", "index": str(short)},
        {**search, "name": "error: missing model", "model": str(folder / "none.tflite")},
        {**search, "name": "error: bad model", "model": str(bad)},
        {**search, "name": "error: empty path", "model": ""},
        {**search, "name": "error: quantize", "quantize": True},
        {**search, "name": "error: max_results", "max_results": -1},
        {**search, "name": "error: query", "queries": [5]},
    ]
    published = LEGACY / "regex_searcher.tflite"
    if published.exists():
        for normalize in (False, True):
            asked = {
                "model": str(published),
                "index": None,
                "l2_normalize": normalize,
                "queries": ["The weather was excellent.", "", "cat"],
            }
            jobs.append({**search, **asked, "name": f"published searcher, l2_normalize={normalize}"})
    return jobs


def difference(job: dict[str, Any], expected: dict[str, Any], found: dict[str, Any]) -> str:
    """What differs, or nothing."""
    if "error" in expected or "error" in found:
        wanted = expected.get("error", ["no error"])[0]
        if wanted in found.get("error", ["no error"]):
            return ""
        return f"the Task Library: {wanted} {expected.get('message', '')!r}; task: {found.get('error', '')} {found.get('message', '')!r}"
    if expected.get("user_info") != found.get("user_info"):
        return f"user info {expected.get('user_info')!r} and {found.get('user_info')!r}"
    if job["kind"] == "IndexBuilder":
        a, b = (bytes.fromhex(answer["results"][0]) for answer in (expected, found))
        return "" if a == b else f"{len(a)} and {len(b)} bytes, or other ones"
    for query, a, b in zip(job["queries"], expected["results"], found["results"], strict=True):
        if job["kind"].endswith("Embedder"):
            worst = float(np.abs(np.array(a) - np.array(b)).max())
            if worst > job["tolerance"]:
                return f"{query!r}: values differ by {worst}"
        elif problem := _neighbors_differ(a, b, job["tolerance"]):
            return f"{query!r}: {problem}"
    return ""


def _neighbors_differ(expected: list[Any], found: list[Any], tolerance: float) -> str:
    """Neighbours have to be the same, but may change places where their distances are within the tolerance."""
    a, b = (np.array([distance for _, distance in neighbors]) for neighbors in (expected, found))
    if a.shape != b.shape:
        return f"{len(a)} and {len(b)} neighbours"
    allowed = tolerance * np.maximum(1.0, np.abs(a))
    if (np.abs(a - b) > allowed).any():
        return f"distances differ by {np.abs(a - b).max()}"
    distance_of: dict[str, list[float]] = {}
    for name, distance in expected:
        distance_of.setdefault(name, []).append(distance)
    for name, distance in found:
        near = distance_of.get(name, [a[-1]] if len(a) else [])  # one that is missing may only be a tie with the last
        if min(abs(distance - d) for d in near) > 2 * tolerance * max(1.0, abs(distance)):
            return f"{bytes.fromhex(name)!r} at {distance} is not among the expected"
    return ""


if __name__ == "__main__":
    sys.exit(main())
