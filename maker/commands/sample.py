"""The verb `maker sample`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "draw the sample corpus of captioned scenes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=2400, help="training scenes (default %(default)s)")
    parser.add_argument("--held-out", type=int, default=400, help="validation scenes (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)


def run(given: argparse.Namespace) -> None:
    """Draws the corpus and prints where its captions are."""
    from maker.progress import progress
    from maker.sample.corpus import draw_corpus

    captions = draw_corpus(
        given.folder,
        scenes=given.scenes,
        held_out=given.held_out,
        seed=given.seed,
        progress=lambda scenes: progress(scenes, "draw scenes", total=given.scenes + given.held_out),
    )
    print(captions)
