"""Asks a searcher its golden queries on every runtime that can be had, and prints how well the answers agree as a Markdown table.

`python -m tests.portable.run [--file searcher.tflite] [--work build/portable]`. Without a file it makes two: one with a float image tower,
and one with an 8-bit one, whose image query is reported apart, since kernels round 8-bit networks differently (docs/format.md). Writes
`results.json` beside the environments. Exit status: 1 where an answer differs (of the first file), or where an environment cannot be
made and `CI` is set.
"""

# ruff: noqa: T201 - it reports to a terminal

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.export.golden import furthest
from maker.graph.source import Source
from maker.tokenizers.adversarial import adversarial_texts
from task.core import BaseOptions
from task.search import GraphEngine, SearchRequest
from tests.portable.environments import Environment, Unavailable, environments
from tests.portable.files import write_files, write_of_checkpoint, write_tokenizing
from tests.tokenizer_files import SENTENCES

ROOT = Path(__file__).parents[2]
ODD_TEXTS, ANSWERS = 200, 10
TOLERANCE = 1e-5
HEADER = [
    "runtime",
    "version",
    "architecture",
    "queries",
    "ids equal",
    "largest difference",
    "8-bit image tower",
    "tokenizers",
    "int8 checkpoint",
    "note",
]


def main() -> int:
    """Asks everywhere."""
    parser = argparse.ArgumentParser(description="Asks a searcher on every runtime.")
    parser.add_argument("--file", type=Path, help="a searcher (default: small ones, made here)")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "portable")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    plain, quantised = (given.file.resolve(), None) if given.file else write_files(work / "files")
    tokenizing = [] if given.file else [tokenizer_queries(path) for path in write_tokenizing(work / "files")]
    checkpoint = None if given.file else write_of_checkpoint(work / "files")
    rows = []
    print("| " + " | ".join(HEADER) + " |\n" + "|---" * len(HEADER) + "|", flush=True)
    for environment in environments():
        row, same = asked(environment, work, plain, quantised, tokenizing, checkpoint)
        print("| " + " | ".join(row[key] for key in HEADER) + " |", flush=True)
        rows.append({**row, "same": same})
    (work / "results.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    differ, missing = (sum(row["same"] is verdict for row in rows) for verdict in (False, None))
    print(f"\n{len(rows) - missing} of {len(rows)} runtimes asked, {differ} differ", file=sys.stderr)
    return 1 if differ or (missing and os.environ.get("CI")) else 0


def asked(
    environment: Environment,
    work: Path,
    plain: Path,
    quantised: Path | None,
    tokenizing: Sequence[TokenizerQueries] = (),
    checkpoint: Path | None = None,
) -> tuple[dict[str, str], bool | None]:
    """A row of the table, and whether the answers are the same; None where the environment cannot be made."""
    row = {**dict.fromkeys(HEADER, ""), "runtime": environment.name}
    try:
        command = environment.make(work)
    except Unavailable as error:
        return {**row, "note": f"not asked: {error}"}, None
    try:
        golden, answer = ask(command, environment, plain)
        equal, worst = compared(golden, answer["answers"])
        row |= {"version": answer["version"], "architecture": answer["machine"], "note": ", ".join([*environment.notes, answer["python"]])}
        row |= {
            "queries": _kinds(golden, answer["answers"]),
            "ids equal": f"{sum(equal)} of {len(equal)}",
            "largest difference": f"{worst:.0e}",
        }
        if quantised is not None:
            row["8-bit image tower"] = _rounded(*compared(*_images(*ask(command, environment, quantised))))
        tokenizers_equal = True
        if tokenizing:
            row["tokenizers"], tokenizers_equal = ask_tokenizers(command, environment, tokenizing, answer["version"])
        checkpoint_equal = True
        if checkpoint is not None:
            row["int8 checkpoint"], checkpoint_equal = ask_checkpoint(command, environment, checkpoint, answer["version"])
    except RuntimeError as error:
        return {**row, "note": str(error)}, False
    return row, bool(equal) and all(equal) and worst <= TOLERANCE and tokenizers_equal and checkpoint_equal


def ask_checkpoint(command: list[str], environment: Environment, path: Path, version: str) -> tuple[str, bool]:
    """How far the answers of int8 encoders are, in words, and whether that is within their tolerance."""
    needs = needed_release(path)
    if environment.counts_as_tensorflow and _number(version) < _number(needs):
        return f"needs TensorFlow Lite {needs}", True
    golden, answer = ask(command, environment, path)
    within, furthest_apart = within_tolerance(golden, answer["answers"])
    return f"{sum(within)} of {len(within)}, {furthest_apart:.0e}", all(within)


def needed_release(path: Path) -> str:
    """The TensorFlow Lite release that a file names as the oldest."""
    source = Source(path)
    (entry,) = (m for m in source.model.metadata if m.name == b"min_runtime_version")
    return bytes(source.model.buffers[entry.buffer].data).rstrip(b"\0").decode()


@dataclass(frozen=True)
class TokenizerQueries:
    """A searcher with a tokenizer in its graph, and the answers that it has to give.

    Attributes:
        path: The searcher.
        queries: As golden ones, of many odd texts.
        needs: The TensorFlow Lite release that it names as the oldest.
    """

    path: Path
    queries: list[dict[str, Any]]
    needs: str


def tokenizer_queries(path: Path) -> TokenizerQueries:
    """Asks Python."""
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    try:
        shape, queries = [1, engine.manifest.query["text"]["max_bytes"]], []
        for text in [*SENTENCES, *(t for t in adversarial_texts(ODD_TEXTS) if isinstance(t, str))]:
            text = text.encode()[: shape[1]].decode("utf8", "ignore")
            found = engine.search_text(text, SearchRequest(max_results=ANSWERS)).nearest_neighbors
            ids = [int(n.metadata.split()[-1]) for n in found]
            queries.append(
                {"signature": "search_text", "query": text, "shape": shape, "ids": ids, "distances": [n.distance for n in found]}
            )
    finally:
        engine.close()
    return TokenizerQueries(path, queries, needed_release(path))


def ask_tokenizers(command: list[str], environment: Environment, files: Sequence[TokenizerQueries], version: str) -> tuple[str, bool]:
    """How many answers are right, in words, and whether all are that the runtime is new enough for."""
    right = total = 0
    for file in files:
        if environment.counts_as_tensorflow and _number(version) < _number(file.needs):
            continue
        answer = ask(command, environment, file.path, file.queries)[1]
        equal, worst = compared(file.queries, answer["answers"])
        right += sum(equal) if worst <= TOLERANCE else 0
        total += len(equal)
    if not total:
        return f"needs TensorFlow Lite {files[0].needs}", True
    return f"{right} of {total}", right == total


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")[:2]))


def ask(
    command: list[str], environment: Environment, path: Path, queries: list[dict[str, Any]] | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The golden queries of a file and what a runtime answers.

    Raises:
        RuntimeError: The runtime ended with an error.
    """
    golden = golden_queries(path) if queries is None else queries
    variables = {**os.environ, **environment.variables, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    done = subprocess.run([*command, str(path)], input=json.dumps(golden), capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if "Error" in line] or [done.stderr.strip()[-200:]]
        raise RuntimeError(f"exit status {done.returncode}: {said[-1]}")
    return golden, json.loads(done.stdout.strip().splitlines()[-1])


def compared(golden: list[dict[str, Any]], answers: list[Any]) -> tuple[list[bool], float]:
    """Whether the ids of each answer are the golden ones, and the largest difference of a distance; unasked queries are left out."""
    pairs = [(entry, answer) for entry, answer in zip(golden, answers, strict=True) if answer is not None]
    differences = [abs(a - b) for entry, (_, found) in pairs for a, b in zip(entry["distances"], found, strict=True)]
    return [entry["ids"] == ids for entry, (ids, _) in pairs], max(differences, default=0.0)


def within_tolerance(golden: list[dict[str, Any]], answers: list[Any]) -> tuple[list[bool], float]:
    """Whether each answer is the golden one within its `tolerance`, and how far the furthest is."""
    pairs = [(entry, answer) for entry, answer in zip(golden, answers, strict=True) if answer is not None]
    apart = [furthest(dict(zip(entry["ids"], entry["distances"], strict=True)), dict(zip(*answer, strict=True))) for entry, answer in pairs]
    return [far <= entry.get("tolerance", TOLERANCE) for far, (entry, _) in zip(apart, pairs, strict=True)], max(apart, default=0.0)


def golden_queries(path: Path) -> list[dict[str, Any]]:
    """What the manifest wants asked, each with the `shape` of the query's tensor; what needs a tokenizer beside the graph is left out."""
    engine = GraphEngine(BaseOptions(str(path)))
    try:
        manifest = engine.manifest
    finally:
        engine.close()
    shapes = {"search_embedding": [1, manifest.dimension]}
    if "text" in manifest.query:
        shapes["search_text"] = [1, manifest.query["text"]["max_bytes"]]
    if "image" in manifest.query:
        shapes["search_image"] = [1, manifest.query["image"]["height"], manifest.query["image"]["width"], 3]
    return [{**entry, "shape": shapes[entry["signature"]]} for entry in manifest.golden if entry["signature"] in shapes]


def _images(golden: list[dict[str, Any]], answer: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    pairs = [(g, a) for g, a in zip(golden, answer["answers"], strict=True) if g["signature"] == "search_image"]
    return [g for g, _ in pairs], [a for _, a in pairs]


def _rounded(equal: list[bool], worst: float) -> str:
    return (f"{worst:.0e}" if all(equal) else f"other ids, {worst:.0e}") if equal else "not asked"


def _kinds(golden: list[dict[str, Any]], answers: list[Any]) -> str:
    asked_kinds = [g["signature"].removeprefix("search_") for g, a in zip(golden, answers, strict=True) if a is not None]
    return ", ".join(f"{asked_kinds.count(kind)} {kind}" for kind in dict.fromkeys(asked_kinds))


if __name__ == "__main__":
    sys.exit(main())
