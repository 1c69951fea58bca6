"""Writes the shared overlays into a folder: `python -m tests.overlays FOLDER`; see `cases.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.overlays.cases import write


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.overlays")
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
