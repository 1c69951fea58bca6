"""Runs notebooks with QUICK=1, each in a folder of its own, and looks at what they show.

`python -m tests.notebooks.run colab/*.ipynb [--update] [--work build/notebooks]`. What was run lies in the work folder; `--update` puts it
in the place of the notebook, which is how the committed outputs are made. Exit status: 1 where a cell fails, warns or shows no picture.
"""

# ruff: noqa: T201 - it reports to a terminal

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from maker.workspace import atomic
from tests.notebooks.outputs import LARGEST, clean, problems

ROOT = Path(__file__).parents[2]
CELL_SECONDS = 3600


def main() -> int:
    """Runs all and says how each went."""
    parser = argparse.ArgumentParser(description="Runs notebooks with QUICK=1.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--update", action="store_true", help="write the outputs into the notebooks")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "notebooks")
    given = parser.parse_args()
    os.environ.update(QUICK="1", PROJECT=str(ROOT), MPLBACKEND="agg")
    failed = False
    for path in given.notebooks:
        begin = time.perf_counter()
        notebook, folder = nbformat.read(path, as_version=4), given.work.resolve() / path.stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _run(notebook, folder)
        found = problems(notebook)
        nbformat.write(notebook, folder / path.name)
        size = (folder / path.name).stat().st_size
        if size > LARGEST:
            found.append(f"{size / 1e6:.1f} MB with its outputs, at most {LARGEST / 1e6:.0f} MB")
        cost = f"{time.perf_counter() - begin:.0f} s, {size / 1e6:.2f} MB"
        print(f"{path}: {cost}, {'failed' if found else 'ok'}", *found, sep="\n  ")
        failed |= bool(found)
        if given.update and not found:
            with atomic(path) as temporary:
                shutil.copyfile(folder / path.name, temporary)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)
    print(f"the largest process took {memory:.1f} GB")
    return int(failed)


def _run(notebook: Any, folder: Path) -> None:
    """Runs the cells up to the first that fails, on this Python, whatever kernels are registered."""
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        allow_errors=False,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            begin = time.perf_counter()
            try:
                client.execute_cell(cell, number)
            except CellExecutionError:
                break  # its output says what was wrong
            if cell.cell_type == "code":
                print(f"  cell {number}: {time.perf_counter() - begin:.1f} s", flush=True)
    clean(notebook, {f"{folder}/": "", str(ROOT): "/content/pocket-searcher"})


if __name__ == "__main__":
    sys.exit(main())
