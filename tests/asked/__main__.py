"""Writes the shared queries: `python -m tests.asked FOLDER`, or `python -m tests.asked --update`; see `cases.py`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.asked.cases import FILE, answers, write, written
from tests.asked.items import drawn_items, write_asked


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.asked")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--update", action="store_true", help="write cases.json again")
    given = parser.parse_args()
    if given.update:
        with tempfile.TemporaryDirectory() as folder:
            write_asked(Path(folder) / "asked.tflite")
            FILE.write_text(written(answers(Path(folder) / "asked.tflite", drawn_items())), encoding="utf-8")
    if given.folder:
        write(given.folder)


if __name__ == "__main__":
    main()
