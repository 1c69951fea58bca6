"""The verb `maker index`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.engine_options import NAMES, add_engine_options, engine_of_options, given_options
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
    shards = parser.add_argument_group("shards, instead of --embeddings and --metadata; --output is then a folder of searchers")
    shards.add_argument("--shards", type=Path, metavar="FOLDER", help="the folder that maker embed --output wrote")
    shards.add_argument("--items-per-searcher", type=int, metavar="N", help="the most items of a searcher (default: what 2 GB hold)")
    add_engine_options(shards, "1, and all that there is room for on Ray")
    add_text_model_options(parser)
    add_output_options(parser)
    add_index_options(parser)


def run(given: argparse.Namespace) -> None:
    """Indexes embeddings, or a searcher with its overlay, and prints the summary."""
    from maker.data.items import read_embeddings, read_metadata
    from maker.pipeline import index_embeddings, update_index

    if given.shards:
        _index_shards(given)
        return
    if named := given_options(given, (*NAMES, "items_per_searcher")):
        raise UsageError(f"{named[0]} is for --shards")
    needed = ("update", "overlay") if given.update or given.overlay else ("embeddings", "metadata")
    of_searcher = ("embeddings", "metadata", "embedder", "tokenizer", "facts", "lexical")
    surplus = [f"--{name}" for name in of_searcher if needed[0] == "update" and getattr(given, name)]
    missing = [f"--{name}" for name in needed if getattr(given, name) is None]
    if missing or surplus:
        problem = f"{missing[0]} is missing" if missing else f"{surplus[0]} comes from the searcher"
        raise UsageError(f"maker index takes --embeddings and --metadata, --update and --overlay, or --shards; {problem}")
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


def _index_shards(given: argparse.Namespace) -> None:
    from maker.data.items import read_embeddings
    from maker.pipeline import index_shards

    surplus = [f"--{name}" for name in ("embeddings", "metadata", "facts", "update", "overlay") if getattr(given, name)]
    if surplus:
        raise UsageError(f"{surplus[0]}: --shards has the embeddings and the names; leave one of the two out")
    report = index_shards(
        given.shards,
        given.output,
        embedder=given.embedder,
        text_model=text_model_options(given),
        queries=read_embeddings(given.queries) if given.queries else None,
        lexical=given.lexical,
        items_per_searcher=given.items_per_searcher,
        user_info=given.user_info,
        settings=index_settings(given, given.distance or DISTANCES[0]),
        engine=engine_of_options(given, local_workers=1),
        overwrite=given.overwrite,
    )
    print_report(report, given.json)
