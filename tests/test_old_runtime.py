"""The same file on tflite-runtime 2.14, which stands for old devices, in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from task.core import BaseOptions
from task.search import GraphEngine

ROOT = Path(__file__).parents[1]
OLD_PYTHON = ROOT / ".venv-tflite-2.14" / "bin" / "python"
ASK = """
import json, sys
import numpy as np
from tflite_runtime.interpreter import Interpreter
answers = []
interpreter = Interpreter(sys.argv[1], num_threads=1)
for entry in json.load(sys.stdin):
    runner = interpreter.get_signature_runner(entry["signature"])
    shape = runner.get_input_details()["query"]["shape"]
    if entry["signature"] == "search_text":
        data = entry["query"].encode()
        query = np.zeros(shape, np.uint8)
        query[0, : len(data)] = np.frombuffer(data, np.uint8)
    elif entry["signature"] == "search_image":
        y, x, c = np.ogrid[: shape[1], : shape[2], :3]
        query = ((3 * x + 5 * y + 60 * c) % 256).astype(np.uint8)[None]
    else:
        query = np.array([entry["query"]], np.float32)
    found, count = runner(query=query), len(entry["ids"])
    answers.append([found["ids"][0, :count].tolist(), found["distances"][0, :count].astype(float).tolist()])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def old_python() -> Path:
    if not OLD_PYTHON.exists():
        reason = f"{OLD_PYTHON} is not here: `make old-runtime` makes it, with CPython 3.10 or 3.11"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return OLD_PYTHON


def test_golden_queries_have_the_same_answers_on_tflite_runtime_2_14(searcher_file, old_python):
    engine = GraphEngine(BaseOptions(str(searcher_file)))
    golden = engine.manifest.golden
    engine.close()
    command = [str(old_python), "-c", ASK, str(searcher_file)]
    done = subprocess.run(command, input=json.dumps(golden), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for entry, (ids, distances) in zip(golden, json.loads(done.stdout), strict=True):
        assert ids == entry["ids"], entry["signature"]
        assert distances == pytest.approx(entry["distances"], abs=1e-5)
