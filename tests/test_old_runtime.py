"""The same file on other runtimes: tflite-runtime 2.14, which stands for old devices, and the newer interface of LiteRT."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel

from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import build_index
from maker.index.options import ScaNNOptions, ScoreAH, Tree
from task.core import BaseOptions
from task.search import GraphEmbedder
from tests.checkpoints import files
from tests.portable.files import checkpoint_searcher
from tests.portable.run import compared, golden_queries, within_tolerance

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


@pytest.fixture(scope="module")
def grouped(tmp_path_factory) -> Path:
    """A file of 4-bit rows whose leaves come in groups."""
    vectors = np.random.default_rng(6).standard_normal((12_000, 16)).astype(np.float32)
    options = ScaNNOptions("squared_l2", tree=Tree(1200, 120), score_ah=ScoreAH(1))
    index = build_index(vectors, options, bits=4)
    assert index.groups is not None
    path = tmp_path_factory.mktemp("grouped") / "s.tflite"
    write_searcher(SearcherContent(index=index, metadata=[b"%d" % i for i in range(len(vectors))]), path)
    return path


@pytest.fixture(scope="module")
def of_checkpoint(tmp_path_factory) -> Path:
    """A file with the towers of a checkpoint, whose weights are int8."""
    pytest.importorskip("safetensors")
    return checkpoint_searcher(tmp_path_factory.mktemp("checkpoint"), files.pictures(60))


def test_int8_encoders_have_nearly_the_same_answers_on_tflite_runtime_2_14(of_checkpoint, old_python):
    golden = golden_queries(of_checkpoint)
    command = [str(old_python), str(ASK), "tflite_runtime", str(of_checkpoint)]
    done = subprocess.run(command, input=json.dumps(golden), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    within, furthest = within_tolerance(golden, json.loads(done.stdout)["answers"])
    assert all(within)
    assert len(within) == len(golden)
    assert {entry.get("tolerance") for entry in golden if entry["signature"] != "search_embedding"} == {1e-2}
    assert furthest > 1e-5  # else no tolerance was needed


@pytest.mark.parametrize("file", ["searcher_file", "grouped"])
def test_golden_queries_have_the_same_answers_on_tflite_runtime_2_14(file, old_python, request):
    path = request.getfixturevalue(file)
    golden = golden_queries(path)
    command = [str(old_python), str(ASK), "tflite_runtime", str(path)]
    done = subprocess.run(command, input=json.dumps(golden), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    equal, worst = compared(golden, json.loads(done.stdout)["answers"])
    assert all(equal)
    assert len(equal) == len(golden) >= 3
    assert worst < 1e-5


def test_compiled_models_embed_sentences_as_interpreters_do(of_checkpoint):
    # They refuse an output that is allocated only when it is computed, as that of an IF can be.
    model = CompiledModel.from_file(str(of_checkpoint))
    signature = model.get_signature_index("embed_text")
    queries, embeddings = model.create_input_buffers(signature), model.create_output_buffers(signature)
    embedder = GraphEmbedder(BaseOptions(str(of_checkpoint), num_threads=1))
    for text in ("a red ball", "", "a " * 60):
        queries[0].write(np.frombuffer(text.encode().ljust(embedder.manifest.query["text"]["max_bytes"], b"\0"), np.uint8))
        model.run_by_index(signature, queries, embeddings)
        np.testing.assert_allclose(embeddings[0].read(embedder.dimension, np.float32), embedder.embed_text(text), atol=1e-2)
    embedder.close()
