"""What `make install-matrix` installs: the products as their own instructions say, and a small program that uses each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.install.run import ASK


@dataclass(frozen=True)
class Product:
    """A row of the matrix.

    Attributes:
        name: What the table calls it.
        requirements: What pip is given.
        smoke: A program that an environment with the product runs: imports what an app imports, and searches where that needs no download.
            The last line that it prints is kept.
        remark: What it searches, and where.
        arguments: Of the program.
        rescue: What pip is given too where the program fails with the plain instruction; recorded beside that verdict.
        parts: Other rows; a cell is not tried where one of theirs cannot be installed.
    """

    name: str
    requirements: tuple[str, ...]
    smoke: str
    remark: str = ""
    arguments: tuple[str, ...] = ()
    rescue: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


RUNTIME = ASK + "assert found == json.loads(sys.argv[3]), f'other answers: {found}'\n"
BUILDER = """
import os, subprocess, sys
import numpy as np
import scann, tensorflow
from task.text import TextSearcher
rows = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
np.save("e.npy", rows)
open("items.txt", "w").write("".join(f"item {i}\\n" for i in range(len(rows))))
maker = os.path.join(os.path.dirname(sys.executable), "maker")
data = ["--embeddings", "e.npy", "--metadata", "items.txt", "--embedder", sys.argv[1]]
done = subprocess.run([maker, "index", *data, "--output", "s.tflite"], capture_output=True, text=True)
assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
with TextSearcher.create_from_file("s.tflite") as searcher:
    found = searcher.search_embedding(rows[7]).nearest_neighbors[0].metadata.decode()
    assert found == "item 7", found
    assert searcher.search("a red kite").nearest_neighbors
"""
TASK_LIBRARY = (
    "from tflite_support.task import text, vision\nprint('searchers:', text.TextSearcher.__name__, vision.ImageSearcher.__name__)\n"
)
MODEL_MAKER = "from tflite_model_maker import searcher\nprint('searcher:', searcher.Searcher.__name__)\n"
MEDIAPIPE = """
from mediapipe.tasks.python import retrieval, text, vision
text.TextEmbedder.cosine_similarity, vision.ImageEmbedder.cosine_similarity
print("searchers:", retrieval.SemanticRetriever.__name__, retrieval.UniversalEmbedder.__name__)
"""
MEDIAPIPE_MAKER = """
import mediapipe_model_maker as maker
print("modules:", [n for n in dir(maker) if not n.startswith("_")])
"""
# Rows drawn, one of them asked for.
ROWS = "import numpy as np\nrows = np.random.default_rng(0).standard_normal((2000, 32)).astype(np.float32)\n"
# Without NumPy, which it does not need.
SQLITE_VEC = """
import array, random
try:
    import pysqlite3 as sqlite3
except ImportError:
    import sqlite3
import sqlite_vec
random.seed(0)
rows = [array.array("f", (random.gauss(0, 1) for _ in range(32))).tobytes() for _ in range(2000)]
base = sqlite3.connect(":memory:")
base.enable_load_extension(True)
sqlite_vec.load(base)
base.execute("create virtual table v using vec0(e float[32])")
base.executemany("insert into v(rowid, e) values (?, ?)", enumerate(rows))
found = base.execute("select rowid from v where e match ? and k = 3", [rows[7]]).fetchone()[0]
assert found == 7, found
"""
FAISS = ROWS + "import faiss\nindex = faiss.IndexHNSWFlat(32, 16)\nindex.add(rows)\nassert index.search(rows[7:8], 3)[1][0, 0] == 7\n"
HNSWLIB = (
    ROWS
    + """
import hnswlib
index = hnswlib.Index("l2", 32)
index.init_index(len(rows))
index.add_items(rows)
assert index.knn_query(rows[7:8], 3)[0][0, 0] == 7
"""
)
USEARCH = (
    ROWS
    + """
from usearch.index import Index
index = Index(ndim=32, metric="l2sq")
index.add(np.arange(len(rows)), rows)
assert index.search(rows[7], 3).keys[0] == 7
"""
)
SCANN = (
    ROWS
    + """
import scann
index = scann.scann_ops_pybind.builder(rows, 3, "squared_l2").tree(40, 20, len(rows)).score_ah(2).reorder(30).build()
assert index.search(rows[7])[0][0] == 7
"""
)


def products(wheel: Path, searcher: Path, found: str) -> list[Product]:
    """All of them.

    Args:
        wheel: This project's.
        searcher: A file that its runtime is asked with, its text tower beside it (`write_searcher`).
        found: The answers expected, as JSON.
    """
    encoder, text = str(searcher.with_suffix(".encoder.tflite")), "a red kite above a green hill"
    return [
        Product("pocket-searcher", (str(wheel),), RUNTIME, "text, pictures, vectors; phone, browser, Python", (str(searcher), text, found)),
        Product(
            "pocket-searcher[maker]",
            (f"{wheel}[maker]",),
            BUILDER,
            "builds the file that the row above searches",
            (encoder,),
            parts=("pocket-searcher",),
        ),
        Product("tflite-support", ("tflite-support",), TASK_LIBRARY, "text, pictures; phone, Python", rescue=("numpy<2",)),
        Product("tflite-model-maker", ("tflite-model-maker",), MODEL_MAKER, "builds for tflite-support", rescue=("numpy<1.24",)),
        Product(
            "tflite-model-maker and tflite-support",
            ("tflite-model-maker", "tflite-support"),
            MODEL_MAKER + TASK_LIBRARY,
            "both in one environment",
            rescue=("numpy<1.24",),
            parts=("tflite-support", "tflite-model-maker"),
        ),
        Product("mediapipe", ("mediapipe",), MEDIAPIPE, "text, pictures, sound; compares every row; its embedders are downloads; Python"),
        Product("mediapipe-model-maker", ("mediapipe-model-maker",), MEDIAPIPE_MAKER),
        Product(
            "sqlite-vec",
            ("sqlite-vec",),
            SQLITE_VEC,
            "vectors, every row of them; wherever SQLite loads extensions",
            rescue=("pysqlite3-binary",),
        ),
        Product("faiss-cpu", ("faiss-cpu",), FAISS, "vectors; Python, C++"),
        Product("hnswlib", ("hnswlib",), HNSWLIB, "vectors; Python, C++; compiled while installing"),
        Product("usearch", ("usearch",), USEARCH, "vectors; Python, C++, mobile"),
        Product("scann", ("scann",), SCANN, "vectors; Python, Linux only"),
    ]
