"""The options of the searcher that `maker build` and `maker index` write: where it goes and how its index is made."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from maker.index.options import DEFAULT_K, DISTANCES, EXACT_BELOW

if TYPE_CHECKING:
    from maker.pipeline import BuildReport, IndexSettings

# Of `maker export` too.
LEAVES_HELP = f"partitions; 0 for none (default: none under {EXACT_BELOW:,} items)"


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds what says where the searcher goes and how the report is printed."""
    parser.add_argument("--output", type=Path, required=True, metavar="searcher.tflite")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--user-info", default="", metavar="TEXT", help="kept in the file for get_user_info()")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def add_index_options(parser: argparse.ArgumentParser) -> None:
    """Adds what says how the index is made, in a group of its own."""
    group = parser.add_argument_group("index")
    group.add_argument("--recall", type=float, default=0.95, metavar="R", help="index recall at 10 to reach (default %(default)s)")
    group.add_argument("--max-ms", type=float, metavar="MS", help="median time of a query on this machine, in the place of --recall")
    group.add_argument("--max-size", type=_bytes, metavar="SIZE", help="of the file, as in 20M; 4-bit rows where 8-bit ones do not fit")
    group.add_argument("--leaves", type=int, metavar="N", help=LEAVES_HELP)
    group.add_argument("--k", type=int, metavar="N", help=f"neighbours that a query returns at most (default {DEFAULT_K})")
    group.add_argument("--bits", type=int, choices=(8, 4), default=8, help="a dimension of the stored rows (default %(default)s)")
    group.add_argument("--rescore", choices=("int8", "float32"), help="keep finer rows too, and score the best hundred again by them")
    group.add_argument(
        "--index-dimension", type=int, metavar="N", help="only the first N dimensions, as --matryoshka trains for (default: all)"
    )


def index_settings(given: argparse.Namespace, distance: str = DISTANCES[0]) -> IndexSettings:
    """What was given for the index."""
    from maker.pipeline import IndexSettings

    return IndexSettings(
        distance=distance,
        leaves=given.leaves,
        recall=given.recall,
        max_ms=given.max_ms,
        max_size=given.max_size,
        bits=given.bits,
        rescore=given.rescore,
        dimension=given.index_dimension,
        k=DEFAULT_K if given.k is None else given.k,
        seed=given.seed or 0,
    )


def print_report(report: BuildReport, as_json: bool) -> None:
    """Prints a report's figures as JSON, or its lines."""
    print(json.dumps(report.figures) if as_json else "\n".join(report.lines))


def _bytes(text: str) -> int:
    """A size as in `20M`."""
    factor = {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1:], 1)
    return int(float(text if factor == 1 else text[:-1]) * factor)
