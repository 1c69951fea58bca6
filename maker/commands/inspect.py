"""The verb `maker inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "show a searcher's signatures, sizes by part and manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--card", action="store_true", help="print the model card instead")
    parser.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> None:
    """Prints what the file holds, or its model card."""
    from maker.evaluation.inspection import describe, inspect

    if given.card:
        from maker.report.card import read_card

        print(read_card(given.searcher), end="")
        return
    found = inspect(given.searcher)
    print(json.dumps(found, ensure_ascii=False, indent=2) if given.json else describe(found))
