"""The verb `maker embed`."""

from __future__ import annotations

import argparse
from pathlib import Path

from maker.commands.engine_options import NAMES, add_engine_options, engine_of_options, given_options
from maker.errors import UsageError

HELP = "embed a folder of images or sounds, shards of images, or a file of sentences"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("embedder", type=Path, help="a searcher, or the encoder of a work folder")
    parser.add_argument(
        "source", type=Path, help="a folder of images or sounds, or a file with one sentence per line; with a folder as output also shards"
    )
    parser.add_argument("--kind", choices=("image", "audio", "text"), required=True)
    written = ".npy (names beside it in .txt), .tsv or .parquet; or a folder, for a .npy and a .parquet for each shard"
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help=written)
    parser.add_argument("--work-dir", type=Path, metavar="DIR")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    shards = parser.add_argument_group("shards: .tar, .parquet or .txt with paths, a file or a folder or a pattern of them")
    add_engine_options(shards, "all that there is room for")
    shards.add_argument("--shard-size", type=int, metavar="N", help="images of a folder in a shard (default 4096)")


def run(given: argparse.Namespace) -> None:
    """Embeds and prints what was written."""
    named = given_options(given, (*NAMES, "shard_size"))
    if given.output.suffix:
        if named:
            raise UsageError(f"{named[0]} is for shards; name a folder as --output, found {given.output}")
        from maker.pipeline import embed

        done = embed(given.embedder, given.kind, given.source, given.output, work_dir=given.work_dir, overwrite=given.overwrite)
    else:
        if given.kind != "image" or given.work_dir:
            raise UsageError("a folder as --output takes images, and is its own work folder; for the rest name a .npy, .tsv or .parquet")
        done = _shards(given)
    print("\n".join(done))


def _shards(given: argparse.Namespace) -> list[str]:
    from maker.pipeline.embed_shards import PHOTOS, embed_shards

    size = PHOTOS if given.shard_size is None else given.shard_size
    engine = engine_of_options(given)
    return embed_shards(given.embedder, given.source, given.output, engine=engine, photos_per_shard=size, overwrite=given.overwrite)
