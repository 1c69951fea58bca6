"""MediaPipe's `SemanticRetriever`: compares each query with all float32 rows of an SQLite table. There are no settings.

Its embedders are downloaded models. Here a table of vectors replaces them: it looks up the sentence `q7` as row 7, so that practically only
the search is timed. The C options accept such a text embedder; the Python options do not. `config`: `queries`, and `python`, the
interpreter that has the library. That interpreter fills the table; this project's interpreter writes the models.
"""

from __future__ import annotations

import ctypes
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

TABLE, ITEMS, QUERIES = "items.db", "items.tflite", "queries.tflite"
FILL = "from tests.benchmarks.peers.engines import mediapipe; import sys; mediapipe.fill(*sys.argv[1:])"


class Engine:
    """The retriever. Its scores are cosines; for rows of norm 1 they give the same order as dot products."""

    def version(self) -> str:
        try:
            installed = version("mediapipe")
        except PackageNotFoundError:
            return "this project's lookup models"
        from mediapipe.tasks.python import retrieval  # noqa: F401

        return installed

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        from tests.task_library_files import lookup_text_model

        queries = np.load(config["queries"])
        lookup_text_model(folder / ITEMS, vectors)
        lookup_text_model(folder / QUERIES, queries)
        (folder / TABLE).unlink(missing_ok=True)
        if not Path(config["python"]).exists():
            raise FileNotFoundError(f"{config['python']} is missing")
        done = subprocess.run(
            [config["python"], "-c", FILL, str(folder), str(len(vectors))], stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        (folder / ITEMS).unlink()
        (folder / "queries.txt").write_text("".join(f"q{number}\n" for number in range(len(queries))))
        return (folder / TABLE).stat().st_size

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        self._opened = opened(folder, QUERIES)

    def use(self, setting: None) -> None:
        pass

    def search(self, query: str) -> Any:
        return self._opened[0].retrieve(query, 10, min_similarity=-1.0)

    def ids(self, result: Any) -> Any:
        return [record.id for record in result.records]


def fill(folder: str, count: str) -> None:
    """Inserts all items; the table of vectors embeds them."""
    retriever, embedder = opened(Path(folder), ITEMS)
    for number in range(int(count)):
        retriever.insert_document(str(number), f"q{number}")
    retriever.close()
    embedder.close()


def opened(folder: Path, model: str) -> tuple[Any, Any]:
    """A retriever over the folder's table, and its text embedder, which must stay open as long as the retriever."""
    from mediapipe.tasks.python import text
    from mediapipe.tasks.python.core import mediapipe_c_bindings
    from mediapipe.tasks.python.core.base_options import BaseOptions
    from mediapipe.tasks.python.retrieval import semantic_retriever

    base = BaseOptions(model_asset_path=str(folder / model))
    embedder = text.TextEmbedder.create_from_options(text.TextEmbedderOptions(base))
    options = semantic_retriever._MpSemanticRetrieverOptionsC(
        base_options=BaseOptions().to_ctypes(),
        database_path=str(folder / TABLE).encode(),
        embedding_dimension=len(embedder.embed("q0").embeddings[0].embedding),
        text_embedder=embedder._embedder_handle,
        chunk_size=512,
        chunk_overlap=100,
    )
    library = mediapipe_c_bindings.load_shared_library(semantic_retriever._CTYPES_SIGNATURES)
    handle = ctypes.c_void_p()
    library.MpSemanticRetrieverCreate(ctypes.byref(options), ctypes.byref(handle))
    return semantic_retriever.SemanticRetriever(library, handle), embedder
