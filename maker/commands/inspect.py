"""The verb `maker inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "show the signatures, the size of each part, the facts and the manifest of a searcher"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--card", action="store_true", help="print the model card instead")
    parser.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> None:
    """Prints a description of the file, or its model card."""
    from maker.evaluation.inspection import describe, inspect

    if given.card:
        from maker.report.card import read_card

        print(read_card(given.searcher), end="")
        return
    description = inspect(given.searcher)
    print(json.dumps(description, ensure_ascii=False, indent=2) if given.json else describe(description))
