"""The verb `maker export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.searcher_options import LEAVES_HELP
from maker.errors import UsageError
from maker.export.formats import EXPORT_FORMATS
from maker.index.options import DEFAULT_K

DEFAULT = "task_library"
HELP = "export the items of a searcher for apps that use the Task Library, or its towers without items"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("searcher", help="a searcher; with --empty also an encoder file, or a checkpoint as for maker build --model")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--format",
        choices=EXPORT_FORMATS,
        help=", or ".join(EXPORT_FORMATS.values()) + f" (default {DEFAULT})",
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
    empty = parser.add_argument_group("a searcher without items, for apps and pages that index their users' own pictures")
    empty.add_argument("--empty", action="store_true", help="write the towers alone")
    empty.add_argument("--k", type=int, metavar="N", help=f"number of results of a query (default: that of the searcher, or {DEFAULT_K})")
    empty.add_argument("--lexical", action="store_true", help="index the words of the items that are added")
    empty.add_argument("--weights", metavar="NAME", help="matrices of a checkpoint: int8 (default), float16, float32")


def run(given: argparse.Namespace) -> None:
    """Exports and prints what was written."""
    of_items = ("format", "embedder", "query", "leaves", "leaves_searched", "no_compression")
    of_towers = ("k", "lexical", "weights")
    surplus = [name for name in (of_items if given.empty else of_towers) if getattr(given, name) not in (None, False)]
    if surplus:
        option = "--" + surplus[0].replace("_", "-")
        raise UsageError(f"maker export: {option} {'does not go' if given.empty else 'only goes'} with --empty")
    if given.empty:
        from maker.pipeline.empty import export_empty

        done = export_empty(
            given.searcher,
            given.output,
            k=given.k,
            lexical=given.lexical,
            weights=given.weights or "int8",
            overwrite=given.overwrite,
            user_info=given.user_info,
        )
        print("\n".join(done))
        return
    from maker.pipeline.export import export

    done = export(
        Path(given.searcher),
        given.output,
        given.format or DEFAULT,
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
