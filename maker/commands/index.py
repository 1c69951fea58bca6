"""The verb `maker index`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.searcher_options import add_facts_options, add_index_options, add_output_options, index_settings, print_report
from maker.commands.text_model_options import add_text_model_options, text_model_options
from maker.errors import UsageError
from maker.index.options import DISTANCES

HELP = "index embeddings of any origin"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("--embeddings", type=Path, metavar="E.npy", help="(n, d) float32")
    parser.add_argument("--metadata", type=Path, metavar="FILE", help=".txt or .jsonl, one line per item")
    parser.add_argument("--embedder", type=Path, metavar="E.tflite", help="embeds queries; without it, queries have to be embeddings")
    parser.add_argument("--queries", type=Path, metavar="Q.npy", help="(q, d) float32, typical queries to tune and measure the index")
    add_facts_options(parser)
    parser.add_argument("--distance", choices=DISTANCES, help=f"default {DISTANCES[0]}; with --update that of the searcher")
    parser.add_argument("--seed", type=int, default=0)
    update = parser.add_argument_group("instead of --embeddings and --metadata")
    update.add_argument("--update", type=Path, metavar="searcher.tflite", help="a searcher whose items are indexed again")
    update.add_argument("--overlay", type=Path, metavar="FILE", help="the items added to and removed from it (Searcher.save_overlay)")
    add_text_model_options(parser)
    add_output_options(parser)
    add_index_options(parser)


def run(given: argparse.Namespace) -> None:
    """Indexes embeddings, or a searcher with its overlay, and prints the summary."""
    from maker.data.items import read_embeddings, read_metadata
    from maker.pipeline import index_embeddings, update_index

    needed = ("update", "overlay") if given.update or given.overlay else ("embeddings", "metadata")
    of_searcher = ("embeddings", "metadata", "embedder", "tokenizer", "facts", "lexical")
    surplus = [f"--{name}" for name in of_searcher if needed[0] == "update" and getattr(given, name)]
    missing = [f"--{name}" for name in needed if getattr(given, name) is None]
    if missing or surplus:
        problem = f"{missing[0]} is missing" if missing else f"{surplus[0]} comes from the searcher"
        raise UsageError(f"maker index takes --embeddings and --metadata, or --update and --overlay; {problem}")
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
        facts=given.facts,
        lexical=given.lexical,
        overwrite=given.overwrite,
        user_info=given.user_info,
        settings=index_settings(given, given.distance or DISTANCES[0]),
        names=(str(given.embeddings), str(given.metadata)),
    )
    print_report(report, given.json)
