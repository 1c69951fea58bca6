"""The Task Library (tflite-support 0.4.4) with index files that this project exports; Model Maker itself no longer installs.

`config`: `leaves`, `leaves_searched` (a list; each number needs its own file), `scorer` (`ah` as the Colab's `ScoreAH(1, 0.2)`, or
`float`) and `queries`. A setting is the number of leaves searched. Its embedder is a table of the queries' vectors that looks up `q7` as
row 7, so that practically only the search is timed.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

MODEL = "lookup.tflite"


class Engine:
    """Index files for different numbers of leaves searched, and a model that looks queries up."""

    def version(self) -> str:
        return version("tflite-support") if _has_task_library() else "this project's exporter"

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        from maker import searcher
        from tests.task_library_files import lookup_text_model

        scorer = {"score_ah": searcher.ScoreAH(1, 0.2)} if config["scorer"] == "ah" else {"score_brute_force": searcher.ScoreBruteForce()}
        options = searcher.ScaNNOptions("dot_product", tree=searcher.Tree(config["leaves"], config["leaves_searched"][-1]), **scorer)
        data = searcher.DataLoader(None, vectors, [str(number) for number in range(len(vectors))])
        made, first = searcher.Searcher.create_from_data(data, options), folder / "first.ldb"
        made.export(searcher.ExportFormat.SCANN_INDEX_FILE, first, compression=False)
        size = _copies(first, config["leaves_searched"])
        first.unlink()
        queries = np.load(config["queries"])
        lookup_text_model(folder / MODEL, queries)
        (folder / "queries.txt").write_text("".join(f"q{number}\n" for number in range(len(queries))))
        return size

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder, self._searchers = folder, {}
        self.use(config["leaves_searched"][0])

    def use(self, setting: int) -> None:
        if setting not in self._searchers:
            from tflite_support.task import core, processor, text

            base = core.BaseOptions(file_name=str(self._folder / MODEL), num_threads=1)
            search = processor.SearchOptions(index_file_name=str(self._folder / f"{setting}.ldb"), max_results=10)
            options = text.TextSearcherOptions(base_options=base, search_options=search)
            self._searchers[setting] = text.TextSearcher.create_from_options(options)
        self._searcher = self._searchers[setting]

    def search(self, query: str) -> Any:
        return self._searcher.search(query)

    def ids(self, result: Any) -> Any:
        return [bytes(neighbor.metadata) for neighbor in result.nearest_neighbors]


def _copies(source: Path, leaves_searched: tuple[int, ...]) -> int:
    """Writes a copy of the index for each number of leaves searched; returns the bytes of its rows and configuration."""
    from maker.task_library.scann_index import search_fraction
    from task.task_library import scann_file

    index = scann_file.ScannFile(source.read_bytes())
    partitions = [index.partition(number) for number in range(index.partitions)]
    metadata = [index.metadata(row) for row in range(sum(map(len, partitions)))]
    partitioner = index.config.scann_config.partitioner
    assert partitioner is not None
    for leaves in leaves_searched:
        partitioner.search_fraction = search_fraction(leaves, len(partitioner.leaf))
        with open(source.with_name(f"{leaves}.ldb"), "wb") as file:
            scann_file.encode(file, index.config, partitions, metadata)
    return sum(rows.nbytes for rows in partitions) + len(index.config.encode())


def _has_task_library() -> bool:
    sys.modules["tensorflow"] = None  # type: ignore[assignment] # if it is installed, tflite-support imports it, and both break
    try:
        import tflite_support.task.text  # noqa: F401
    except ImportError:
        return False
    return True
