"""A server's serialised ScaNN index, read without ScaNN, gives what ScaNN gives."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import task_library_files as files
from conftest import run_fresh

from maker import searcher
from maker.errors import BuildError, DataError
from task.core import BaseOptions
from task.processor import SearchOptions
from task.text import TextSearcher, TextSearcherOptions

pytestmark = pytest.mark.skipif(importlib.util.find_spec("scann") is None, reason="scann is not installed")
ITEMS, DIMENSION, QUERIES = 1500, 10, 20

MAKE = """
import sys
sys.modules["tensorflow"] = None
from pathlib import Path
import numpy as np
from scann.scann_ops.py import scann_ops_pybind as scann

folder = Path(sys.argv[1])
rows, queries = np.load(folder / "rows.npy"), np.load(folder / "queries.npy")

def make(name, scorer, distance="dot_product", leaves=12, **options):
    builder = scann.builder(rows, 10, distance)
    if leaves:
        builder = builder.tree(num_leaves=leaves, num_leaves_to_search=4, training_sample_size=len(rows), min_partition_size=1, **options)
    built = scorer(builder).build()
    (folder / name).mkdir()
    built.serialize(str(folder / name))
    ids, distances = built.search_batched(queries)
    np.savez(folder / f"{name}.npz", ids=ids, distances=distances)

def hashed(block, residual=False, kind="lut256"):
    return lambda b: b.score_ah(block, hash_type=kind, residual_quantization=residual)

make("float", lambda b: b.score_brute_force())
make("float l2", lambda b: b.score_brute_force(), "squared_l2")
make("float flat", lambda b: b.score_brute_force(), leaves=0)
make("hashed", hashed(2))
make("hashed l2 3", hashed(3), "squared_l2")
make("hashed flat", hashed(1), leaves=0)
make("int8", lambda b: b.score_brute_force(quantize=True))
make("residual", hashed(2, True))
make("lut16", hashed(2, kind="lut16"))
make("default", lambda b: b.score_ah(2))
make("reorder", lambda b: hashed(2)(b).reorder(50))
make("upper", lambda b: hashed(2)(b.upper_tree(4, 2)))
make("soar", lambda b: b.score_brute_force(), soar_lambda=1.5)
"""
REFUSED = {
    "int8": "int8 or bfloat16 is not supported on-device",
    "residual": "residual_quantization=False",
    "lut16": "lut256",
    "default": "lut256",
    "reorder": "exact_reordering is not supported on-device",
    "upper": "several levels is not supported on-device",
    "soar": "items in several leaves are not supported on-device",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scann")
    rng = np.random.default_rng(1)
    for name, count in (("rows", ITEMS), ("queries", QUERIES)):
        np.save(folder / f"{name}.npy", rng.standard_normal((count, DIMENSION)).astype(np.float32))
    done = subprocess.run([sys.executable, "-c", MAKE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def answers(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as content:
        return dict(content)


def opened(index: Path, model: Path) -> TextSearcher:
    return TextSearcher.create_from_options(
        TextSearcherOptions(BaseOptions(str(model)), search_options=SearchOptions(index_file_name=str(index), max_results=10))
    )


@pytest.mark.parametrize("name", ["float", "float l2", "float flat", "hashed", "hashed l2 3", "hashed flat"])
def test_neighbours_are_those_that_scann_finds(folders, tmp_path, name):
    queries, expected = np.load(folders / "queries.npy"), answers(folders / f"{name}.npz")
    metadata = [str(i) for i in range(ITEMS)]
    model = files.lookup_text_model(tmp_path / "m.tflite", queries)
    made = searcher.Searcher.create_from_server_scann(str(folders / name), metadata, str(model))
    made.export(searcher.ExportFormat.SCANN_INDEX_FILE, tmp_path / "i.ldb", "info")
    made.export(searcher.ExportFormat.TASK_LIBRARY, tmp_path / "s.tflite", "info", compression=False)
    overlaps, sign = [], 1 if "l2" in name else -1
    with opened(tmp_path / "i.ldb", model) as separate, TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as whole:
        assert separate.get_user_info() == whole.get_user_info() == "info"
        for q, query in enumerate(queries):
            found = separate.search_embedding(query).nearest_neighbors
            assert [n.metadata for n in found[:5]] == [n.metadata for n in whole.search(f"q{q}").nearest_neighbors]
            ids = [int(n.metadata) for n in found]
            overlaps.append(len({*ids} & {*expected["ids"][q].tolist()}) / 10)
            if name.startswith("float"):
                distances = np.array([n.distance for n in found])
                np.testing.assert_allclose(distances, sign * expected["distances"][q], rtol=1e-4, atol=1e-4)
    assert np.mean(overlaps) > (0.999 if name.startswith("float") else 0.9)  # look-up tables are rounded otherwise


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_device_would_search_otherwise_is_refused(folders, name):
    with pytest.raises(BuildError, match=REFUSED[name]) as raised:
        searcher.Searcher.create_from_server_scann(folders / name, [str(i) for i in range(ITEMS)])
    assert str(folders / name) in str(raised.value)


def test_counts_and_dimensions_have_to_agree(folders, tmp_path):
    with pytest.raises(DataError, match=f"3 metadata for {ITEMS} items"):
        searcher.Searcher.create_from_server_scann(folders / "float", ["a", "b", "c"])
    model = files.lookup_text_model(tmp_path / "m.tflite", np.eye(3, dtype=np.float32))
    with pytest.raises(DataError, match="has 3 dimensions, the embeddings have 10"):
        searcher.Searcher.create_from_server_scann(folders / "float", [""] * ITEMS, str(model))


def test_a_graph_cannot_be_made_of_it(folders, tmp_path):
    made = searcher.Searcher.create_from_server_scann(folders / "hashed", [b"\xff\0"] * ITEMS)
    with pytest.raises(BuildError, match="export SCANN_INDEX_FILE or TASK_LIBRARY"):
        made.export(searcher.ExportFormat.TFLITE, tmp_path / "x.tflite")
    with pytest.raises(BuildError, match="embedder model is not provided"):
        made.export(searcher.ExportFormat.TASK_LIBRARY, tmp_path / "x.tflite")


@pytest.mark.parametrize(
    "file", ["scann_config.pb", "serialized_partitioner.pb", "hashed_dataset.npy", "ah_codebook.pb", "datapoint_to_token.npy"]
)
def test_missing_and_damaged_files_are_named(folders, tmp_path, file):
    copied = tmp_path / "copied"
    shutil.copytree(folders / "hashed", copied)
    content = (copied / file).read_bytes()
    rng = np.random.default_rng(0)
    for cut in sorted({0, 1, 5, len(content) - 1, *rng.integers(0, len(content), 20).tolist()}):
        (copied / file).write_bytes(content[:cut])
        with pytest.raises(BuildError, match="copied"):
            searcher.Searcher.create_from_server_scann(copied, [""] * ITEMS)
    (copied / file).unlink()
    with pytest.raises(BuildError, match="there is no"):
        searcher.Searcher.create_from_server_scann(copied, [""] * ITEMS)
    with pytest.raises(BuildError, match="is no folder"):
        searcher.Searcher.create_from_server_scann(tmp_path / "none", [""] * ITEMS)


def test_neither_scann_nor_tensorflow_is_imported(folders):
    code = """
import sys
from maker import searcher
made = searcher.Searcher.create_from_server_scann(sys.argv[1], [""] * int(sys.argv[2]))
print("tensorflow" in sys.modules, "scann" in sys.modules)
"""
    assert run_fresh(code, str(folders / "hashed"), str(ITEMS)) == "False False"
