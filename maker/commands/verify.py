"""The verb `maker verify`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "check a searcher's digests and golden queries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)


def run(given: argparse.Namespace) -> None:
    """Verifies and prints a line a check."""
    from maker.export.verify import verify

    print("\n".join(verify(given.searcher)))
