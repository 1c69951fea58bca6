"""sqlite-vec: exact scans; `config`: `column`, `float` or `int8`. There are no settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

FILE = "vectors.db"
VALUE = {"float": "?", "int8": "vec_quantize_int8(?, 'unit')"}


class Engine:
    """A `vec0` table. Distances are Euclidean; for rows of norm 1 they give the same order as dot products."""

    def version(self) -> str:
        import sqlite_vec

        self._connect(":memory:").close()
        return str(sqlite_vec.__version__)

    def build(self, vectors: np.ndarray, folder: Path, config: dict[str, Any]) -> int:
        column = config["column"]
        (folder / FILE).unlink(missing_ok=True)
        table = self._connect(str(folder / FILE))
        with table:
            table.execute(f"CREATE VIRTUAL TABLE items USING vec0(row {column}[{vectors.shape[1]}])")
            rows = ((number, row.tobytes()) for number, row in enumerate(vectors))
            table.executemany(f"INSERT INTO items(rowid, row) VALUES (?, {VALUE[column]})", rows)
        table.close()
        return (folder / FILE).stat().st_size

    def open(self, folder: Path, config: dict[str, Any]) -> None:
        self._table = self._connect(str(folder / FILE))
        self._sql = f"SELECT rowid, distance FROM items WHERE row MATCH {VALUE[config['column']]} AND k = 10"

    def use(self, setting: None) -> None:
        pass

    def search(self, query: np.ndarray) -> Any:
        return self._table.execute(self._sql, (query.tobytes(),)).fetchall()

    def ids(self, result: Any) -> Any:
        return [row[0] for row in result]

    def _connect(self, path: str) -> Any:
        import sqlite_vec

        try:  # many builds of CPython lack loadable extensions
            import pysqlite3 as sqlite3
        except ImportError:
            import sqlite3
        table = sqlite3.connect(path)
        table.enable_load_extension(True)
        sqlite_vec.load(table)
        return table
