"""The verb `maker export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.searcher_options import LEAVES_HELP
from maker.export.formats import EXPORT_FORMATS

HELP = "export the items of a searcher for apps that use the Task Library"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", type=Path)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        default="task_library",
        help=", or ".join(EXPORT_FORMATS.values()) + " (default %(default)s)",
    )
    parser.add_argument(
        "--embedder",
        type=Path,
        metavar="E.tflite",
        help="embeds queries (default: the searcher; for text the encoder in the work folder of its build, which is found beside it)",
    )
    parser.add_argument("--query", choices=("text", "image"), help="for an embedder with both (default: text)")
    parser.add_argument("--leaves", type=int, metavar="N", help=LEAVES_HELP)
    parser.add_argument("--leaves-searched", type=int, metavar="N", help="leaves that a query searches (default: a tenth)")
    parser.add_argument(
        "--no-compression", action="store_true", help="do not compress the index with Snappy: a larger file that opens faster"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--user-info", default="", metavar="TEXT", help="for get_user_info() (default: that of the searcher)")
    parser.add_argument("--seed", type=int, default=0)


def run(given: argparse.Namespace) -> None:
    """Exports and prints what was written."""
    from maker.pipeline.export import export

    done = export(
        given.searcher,
        given.output,
        given.format,
        embedder=given.embedder,
        query=given.query,
        leaves=given.leaves,
        leaves_searched=given.leaves_searched,
        compression=not given.no_compression,
        overwrite=given.overwrite,
        user_info=given.user_info,
        seed=given.seed,
    )
    print("\n".join(done))
