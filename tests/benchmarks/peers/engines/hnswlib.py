"""hnswlib; `config`: `m`, `construction`. A setting is `ef`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FILE = "index.hnsw"


class Engine:
    """An HNSW index of float32 rows."""

    def version(self) -> str:
        import hnswlib  # noqa: F401 - fails if it is not installed

        return version("hnswlib")

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        import hnswlib

        index = hnswlib.Index("ip", vectors.shape[1])
        index.init_index(len(vectors), M=config["m"], ef_construction=config["construction"])
        index.add_items(vectors, num_threads=1)
        index.save_index(str(folder / FILE))
        return (folder / FILE).stat().st_size

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        import hnswlib

        self._index = hnswlib.Index("ip", config["dimension"])
        self._index.load_index(str(folder / FILE))
        self._index.set_num_threads(1)

    def use(self, setting: int) -> None:
        self._index.set_ef(setting)

    def search(self, query: np.ndarray) -> Any:
        return self._index.knn_query(query, k=10, num_threads=1)

    def ids(self, result: Any) -> Any:
        return result[0][0]
