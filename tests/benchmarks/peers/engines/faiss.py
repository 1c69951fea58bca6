"""faiss; `config`: `factory`, `construction` (of HNSW). A setting is a string of `ParameterSpace`, like `nprobe=16`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FILE = "index.faiss"


class Engine:
    """An index of `faiss.index_factory`."""

    def version(self) -> str:
        import faiss

        faiss.omp_set_num_threads(1)
        return str(faiss.__version__)

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        import faiss

        index = faiss.index_factory(vectors.shape[1], config["factory"], faiss.METRIC_INNER_PRODUCT)
        if "construction" in config:
            index.hnsw.efConstruction = config["construction"]
        if hasattr(index, "do_polysemous_training"):
            index.do_polysemous_training = False  # takes minutes, for a filter by Hamming distance that is not used here
        index.train(vectors)
        index.add(vectors)
        faiss.write_index(index, str(folder / FILE))
        return (folder / FILE).stat().st_size

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        import faiss

        self._index = faiss.read_index(str(folder / FILE))
        self._space = faiss.ParameterSpace()

    def use(self, setting: str) -> None:
        self._space.set_index_parameters(self._index, setting)

    def search(self, query: np.ndarray) -> Any:
        return self._index.search(query[None], 10)

    def ids(self, result: Any) -> Any:
        return result[1][0]
