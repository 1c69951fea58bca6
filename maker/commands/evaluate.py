"""The verb `maker evaluate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SPLIT = "only captions of this split of FILE; held-out: of the pictures that the build held out, whether FILE has splits or not"
HELP = "measure the retrieval of a searcher in both directions: its results, and exact search with its towers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--captions", type=Path, required=True, metavar="FILE")
    parser.add_argument("--split", metavar="NAME", help=SPLIT)
    parser.add_argument("--language", metavar="NAME", help="only captions of this language")
    parser.add_argument("--no-towers", action="store_true", help="leave out the float towers, which embed the images of all items again")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="folder for embeddings (default: the searcher with suffix .work)")
    parser.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> None:
    """Measures and prints the figures."""
    from maker.evaluation.retrieval import evaluate
    from maker.evaluation.tables import retrieval_lines

    figures = evaluate(
        given.searcher, given.images, given.captions, given.split, given.language, towers=not given.no_towers, work_dir=given.work_dir
    )
    print(json.dumps(figures) if given.json else "\n".join(retrieval_lines(figures)))
