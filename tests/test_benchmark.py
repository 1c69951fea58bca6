"""`python -m task.benchmark`: what it measures, and that it needs no more than `task` does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import task_library_files as files
from conftest import DIMENSION, run_fresh

from task import benchmark


def run(capsys, *arguments: object) -> dict:
    assert benchmark.main([str(a) for a in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def check_percentiles(figures: dict, count: int) -> None:
    assert figures["count"] == count
    assert 0 < figures["p50"] <= figures["p90"] <= figures["p99"] < 60_000


def test_every_signature_is_measured(searcher_file, capsys):
    found = run(capsys, searcher_file, "--queries", 7, "--opens", 2, "--threads", 2)
    assert found["file"] == {"name": searcher_file.name, "bytes": searcher_file.stat().st_size, "items": 300, "dimension": DIMENSION}
    assert found["runtime"]["name"] == "ai-edge-litert"
    assert found["runtime"]["version"][0].isdigit()
    assert found["threads"] == 2
    assert found["machine"]["cores"] >= 1
    assert set(found["search_ms"]) == set(found["first_query_ms"]) == {"text", "image", "embedding"}
    assert set(found["embed_ms"]) == {"text", "image"}
    for figures in (*found["search_ms"].values(), *found["embed_ms"].values()):
        check_percentiles(figures, 7)
    check_percentiles(found["open_ms"], 2 * 3)
    if Path("/proc/self/status").exists():
        assert 0 < found["resident_mb"]["start"] <= found["resident_mb"]["opened"] <= found["resident_mb"]["asked"]


def test_a_task_library_file_is_measured_with_its_index_beside_it(embeddings, tmp_path, capsys):
    model = files.lookup_text_model(tmp_path / "m.tflite", embeddings[:40])
    index = tmp_path / "index.ldb"
    index.write_bytes(files.float_index(embeddings, [b"x"] * len(embeddings)))
    found = run(capsys, model, "--index", index, "--queries", 3, "--opens", 1, "--text", "q1")
    assert set(found["search_ms"]) == {"text", "embedding"}
    assert found["file"]["items"] == len(embeddings)


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--index", "nowhere.ldb"]])
def test_what_cannot_be_measured_is_one_line(searcher_file, capsys, arguments):
    path = str(searcher_file) if "--threads" in arguments else "nowhere.tflite"
    assert benchmark.main([path, *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("task.benchmark: error: ")
    assert said.err.count("\n") == 1


def test_it_runs_as_a_module(searcher_file):
    command = [sys.executable, "-m", "task.benchmark", str(searcher_file), "--queries", "1", "--opens", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["file"]["items"] == 300


def test_it_imports_only_what_task_does():
    code = """
import sys
import numpy, ai_edge_litert.interpreter
before = {name.split(".")[0] for name in sys.modules}
import task.benchmark, task.text, task.vision
print(sorted(name for name in {n.split(".")[0] for n in sys.modules} - before - set(sys.stdlib_module_names) if name != "task"))
"""
    assert run_fresh(code) in ("[]", "['typing_extensions']", "['flatbuffers', 'typing_extensions']", "['flatbuffers']")
