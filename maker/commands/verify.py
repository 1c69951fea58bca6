"""The verb `maker verify`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "check the digests and the golden queries of a searcher"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)


def run(given: argparse.Namespace) -> None:
    """Verifies and prints one line per check."""
    from maker.evaluation.inspection import is_task_library
    from maker.export.verify import verify

    if is_task_library(given.searcher):
        print(f"{given.searcher}: a Task Library file; it opens, but such files have no digests and golden queries to check")
        return
    print("\n".join(verify(given.searcher)))
