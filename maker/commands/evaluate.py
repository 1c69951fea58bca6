"""The verb `maker evaluate`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from maker.errors import UsageError

SPLIT = "only captions of this split of FILE; held-out: of the pictures that the build held out, whether FILE has splits or not"
QUERIES = "queries with columns query, relevant and where: .csv, .tsv, .jsonl or .parquet"
HELP = "measure the retrieval of a searcher in both directions: its results, and exact search with its towers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--images", type=Path, metavar="DIR")
    parser.add_argument("--captions", type=Path, metavar="FILE")
    parser.add_argument("--split", metavar="NAME", help=SPLIT)
    parser.add_argument("--language", metavar="NAME", help="only captions of this language")
    parser.add_argument("--no-towers", action="store_true", help="leave out the float towers, which embed the images of all items again")
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="folder for embeddings (default: the searcher with suffix .work)")
    given = parser.add_argument_group("instead of --images and --captions")
    given.add_argument("--queries", type=Path, metavar="FILE", help=QUERIES)
    given.add_argument("--lexical", choices=("off", "auto", "only"), default="off", help="also look up the words of these queries")
    parser.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> None:
    """Measures and prints the figures."""
    captions = [f"--{name}" for name in ("images", "captions", "split", "language") if getattr(given, name) is not None]
    if given.queries is not None:
        from maker.evaluation.given_queries import evaluate_queries, query_lines

        if captions:
            raise UsageError(f"maker evaluate takes --queries, or --images and --captions; found --queries and {captions[0]}")
        found = evaluate_queries(given.searcher, given.queries, given.lexical)
        print(json.dumps(found) if given.json else "\n".join(query_lines(found)))
        return
    if captions[:2] != ["--images", "--captions"]:
        raise UsageError("maker evaluate takes --images and --captions, or --queries")
    if given.lexical != "off":
        raise UsageError("--lexical goes with --queries")
    from maker.evaluation.retrieval import evaluate
    from maker.evaluation.tables import retrieval_lines

    figures = evaluate(
        given.searcher, given.images, given.captions, given.split, given.language, towers=not given.no_towers, work_dir=given.work_dir
    )
    print(json.dumps(figures) if given.json else "\n".join(retrieval_lines(figures)))
