"""ScaNN; `config`: `leaves`, `block`, `quantize` (of the rows for reordering). A setting is `[leaves to search, candidates to reorder]`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "scann"


class Engine:
    """Tree, anisotropic product quantisation with 4-bit codes, and reordering: what its documentation recommends from 100,000 items on."""

    def version(self) -> str:
        sys.modules["tensorflow"] = None  # type: ignore[assignment] # ScaNN works without it, in less time and memory
        from scann.scann_ops.py import scann_ops_pybind  # noqa: F401

        return version("scann")

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        from scann.scann_ops.py import scann_ops_pybind

        builder = scann_ops_pybind.builder(vectors, 10, "dot_product").set_n_training_threads(1)
        builder = builder.tree(config["leaves"], max(1, config["leaves"] // 10), training_sample_size=min(len(vectors), 250_000))
        builder = builder.score_ah(config["block"], anisotropic_quantization_threshold=0.2)
        searcher = builder.reorder(100, quantize=config["quantize"]).build()
        target = (folder / FOLDER).resolve()
        target.mkdir(exist_ok=True)
        searcher.serialize(str(target))
        return sum(path.stat().st_size for path in target.iterdir())

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        self._searcher = scann_ops_pybind.load_searcher(str((folder / FOLDER).resolve()))

    def use(self, setting: list[int]) -> None:
        self._leaves, self._candidates = setting

    def search(self, query: np.ndarray) -> Any:
        return self._searcher.search(query, 10, self._candidates, self._leaves)

    def ids(self, result: Any) -> Any:
        return result[0]
