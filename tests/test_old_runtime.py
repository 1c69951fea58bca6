"""The same file on tflite-runtime 2.14, which stands for old devices, in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.portable.run import compared, golden_queries

ROOT = Path(__file__).parents[1]
OLD_PYTHON = ROOT / ".venv-tflite-2.14" / "bin" / "python"
ASK = ROOT / "tests" / "portable" / "ask.py"


@pytest.fixture(scope="module")
def old_python() -> Path:
    if not OLD_PYTHON.exists():
        reason = f"{OLD_PYTHON} is not here: `make old-runtime` makes it, with CPython 3.10 or 3.11"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return OLD_PYTHON


def test_golden_queries_have_the_same_answers_on_tflite_runtime_2_14(searcher_file, old_python):
    golden = golden_queries(searcher_file)
    command = [str(old_python), str(ASK), "tflite_runtime", str(searcher_file)]
    done = subprocess.run(command, input=json.dumps(golden), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    equal, worst = compared(golden, json.loads(done.stdout)["answers"])
    assert all(equal)
    assert len(equal) == len(golden) > 5
    assert worst < 1e-5
