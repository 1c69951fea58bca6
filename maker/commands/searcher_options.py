"""Options that `maker build` and `maker index` share: the output and the index."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from maker.index.options import DEFAULT_K, DISTANCES, EXACT_BELOW, PARTITIONERS

if TYPE_CHECKING:
    from maker.pipeline import BuildReport, IndexSettings

# Also for `maker export`.
LEAVES_HELP = f"number of partitions; 0 for none (default: none below {EXACT_BELOW:,} items)"


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the output and the summary."""
    parser.add_argument("--output", type=Path, required=True, metavar="searcher.tflite")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--user-info", default="", metavar="TEXT", help="text in the file that get_user_info() returns")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def add_facts_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for a facts file and the lexical index."""
    what = "facts to filter by: .csv, .tsv, .jsonl or .parquet with a column item, one row per item"
    parser.add_argument("--facts", type=Path, metavar="FILE", help=what)
    parser.add_argument("--lexical", action="store_true", help="also index the words of names, captions, text facts and tags")


def add_index_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the index, as a group."""
    group = parser.add_argument_group("index")
    group.add_argument("--recall", type=float, default=0.95, metavar="R", help="index recall at 10 to reach (default %(default)s)")
    group.add_argument("--max-ms", type=float, metavar="MS", help="maximum median latency of a query on this machine, instead of --recall")
    group.add_argument(
        "--max-size", type=_bytes, metavar="SIZE", help="maximum file size, such as 20M; chooses among the layouts of rows that fit"
    )
    group.add_argument("--leaves", type=int, metavar="N", help=LEAVES_HELP)
    group.add_argument(
        "--partitioner",
        choices=PARTITIONERS,
        default=PARTITIONERS[0],
        help="what the leaves start from: the project's k-means, or ScaNN's tree (default %(default)s)",
    )
    group.add_argument("--k", type=int, metavar="N", help=f"maximum number of results of a query (default {DEFAULT_K})")
    group.add_argument("--bits", type=int, choices=(8, 4), default=8, help="bits per dimension of the rows (default %(default)s)")
    group.add_argument(
        "--rescore",
        choices=("int8", "float32", "rest4", "rest8"),
        help="score the best hundred again: by rows of this type, or by the dimensions that are not scanned, in 4 or 8 bits",
    )
    group.add_argument(
        "--scan-dimension",
        type=int,
        metavar="N",
        help="scan rows projected to N dimensions, and score the best hundred again; 0 for whole rows (default: chosen for 256 and more)",
    )
    group.add_argument(
        "--index-dimension", type=int, metavar="N", help="index only the first N dimensions; see --matryoshka (default: all)"
    )


def index_settings(given: argparse.Namespace, distance: str = DISTANCES[0]) -> IndexSettings:
    """The settings of the index from the arguments."""
    from maker.pipeline import IndexSettings

    return IndexSettings(
        distance=distance,
        leaves=given.leaves,
        recall=given.recall,
        max_ms=given.max_ms,
        max_size=given.max_size,
        bits=given.bits,
        rescore=given.rescore,
        scan_dimension=given.scan_dimension,
        dimension=given.index_dimension,
        k=DEFAULT_K if given.k is None else given.k,
        seed=given.seed or 0,
        partitioner=given.partitioner,
    )


def print_report(report: BuildReport, as_json: bool) -> None:
    """Prints the figures as JSON, or the lines of the summary."""
    print(json.dumps(report.figures) if as_json else "\n".join(report.lines))


def _bytes(text: str) -> int:
    """Bytes of a size such as `20M`."""
    factor = {"K": 1e3, "M": 1e6, "G": 1e9}.get(text[-1:].upper(), 1)
    try:
        return int(float(text if factor == 1 else text[:-1]) * factor)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected bytes, or a number with k, M or G such as 20M") from error
