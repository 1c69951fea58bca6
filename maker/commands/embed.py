"""The verb `maker embed`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "embed a folder of images or a file of sentences"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("embedder", type=Path, help="a searcher, or the encoder of a work folder")
    parser.add_argument("source", type=Path, help="a folder of images, or a file with one sentence per line")
    parser.add_argument("--kind", choices=("image", "text"), required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help=".npy (names beside it in .txt), .tsv or .parquet")
    parser.add_argument("--work-dir", type=Path, metavar="DIR")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")


def run(given: argparse.Namespace) -> None:
    """Embeds and prints what was written."""
    from maker.pipeline import embed

    done = embed(given.embedder, given.kind, given.source, given.output, work_dir=given.work_dir, overwrite=given.overwrite)
    print("\n".join(done))
