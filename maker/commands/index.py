"""The verb `maker index`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.searcher_options import add_index_options, add_output_options, index_settings, print_report
from maker.commands.text_model_options import add_text_model_options, text_model_options
from maker.errors import MakerError
from maker.index.options import DISTANCES

HELP = "index embeddings from anywhere"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("--embeddings", type=Path, metavar="E.npy", help="(n, d) float32")
    parser.add_argument("--metadata", type=Path, metavar="FILE", help=".txt or .jsonl, a line an item")
    parser.add_argument("--embedder", type=Path, metavar="E.tflite", help="embeds queries; without it the file is asked with embeddings")
    parser.add_argument("--queries", type=Path, metavar="Q.npy", help="(q, d) float32 of the kind that will be asked; tunes and measures")
    parser.add_argument("--distance", choices=DISTANCES, help=f"default {DISTANCES[0]}, with --update the searcher's")
    parser.add_argument("--seed", type=int, default=0)
    update = parser.add_argument_group("in the place of --embeddings and --metadata")
    update.add_argument("--update", type=Path, metavar="searcher.tflite", help="a searcher whose items are taken as they are stored")
    update.add_argument("--overlay", type=Path, metavar="FILE", help="what was added to it and removed from it (Searcher.save_overlay)")
    add_text_model_options(parser)
    add_output_options(parser)
    add_index_options(parser)


def run(given: argparse.Namespace) -> None:
    """Indexes embeddings, or a searcher with its overlay, and prints the report."""
    from maker.data.items import read_embeddings, read_metadata
    from maker.pipeline import index_embeddings, update_index

    wanted = ("update", "overlay") if given.update or given.overlay else ("embeddings", "metadata")
    foreign = [
        f"--{name}" for name in ("embeddings", "metadata", "embedder", "tokenizer") if wanted[0] == "update" and getattr(given, name)
    ]
    missing = [f"--{name}" for name in wanted if getattr(given, name) is None]
    if missing or foreign:
        problem = f"{missing[0]} is missing" if missing else f"{foreign[0]} comes from the searcher"
        raise MakerError(f"maker index takes --embeddings and --metadata, or --update and --overlay; {problem}")
    if given.update:
        report = update_index(
            given.update,
            given.overlay,
            given.output,
            overwrite=given.overwrite,
            user_info=given.user_info,
            settings=index_settings(given),
            k=given.k,
            distance=given.distance,
            queries=read_embeddings(given.queries) if given.queries else None,
        )
        print_report(report, given.json)
        return
    report = index_embeddings(
        read_embeddings(given.embeddings),
        read_metadata(given.metadata),
        given.output,
        embedder=given.embedder,
        text_model=text_model_options(given),
        queries=read_embeddings(given.queries) if given.queries else None,
        overwrite=given.overwrite,
        user_info=given.user_info,
        settings=index_settings(given, given.distance or DISTANCES[0]),
        names=(str(given.embeddings), str(given.metadata)),
    )
    print_report(report, given.json)
