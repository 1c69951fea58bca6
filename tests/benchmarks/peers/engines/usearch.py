"""usearch; `config`: `connectivity`, `construction`, `dtype`. A setting is `expansion_search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FILE = "index.usearch"


class Engine:
    """An HNSW index of quantised rows, memory-mapped."""

    def version(self) -> str:
        import usearch.index

        return str(usearch.__version__)

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        from usearch.index import Index

        index = Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype=config["dtype"],
            connectivity=config["connectivity"],
            expansion_add=config["construction"],
        )
        index.add(np.arange(len(vectors)), vectors, threads=1)
        index.save(str(folder / FILE))
        return (folder / FILE).stat().st_size

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        from usearch.index import Index

        self._index = Index.restore(str(folder / FILE), view=True)

    def use(self, setting: int) -> None:
        self._index.expansion_search = setting

    def search(self, query: np.ndarray) -> Any:
        return self._index.search(query, 10, threads=1)

    def ids(self, result: Any) -> Any:
        return result.keys
