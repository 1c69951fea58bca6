"""The verb `maker sample`."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "draw the sample corpus of captioned scenes, or synthesise that of sounds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=2400, help="training scenes (default %(default)s)")
    parser.add_argument("--sounds", type=int, metavar="N", help="instead of scenes, N training sounds")
    parser.add_argument("--held-out", type=int, default=400, help="validation scenes or sounds (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)


def run(given: argparse.Namespace) -> None:
    """Draws the corpus and prints where its captions are."""
    from maker.progress import progress

    if given.sounds is not None:
        from maker.sample.sounds import write_sounds

        total = given.sounds + given.held_out
        print(
            write_sounds(
                given.folder,
                sounds=given.sounds,
                held_out=given.held_out,
                seed=given.seed,
                progress=lambda sounds: progress(sounds, "synthesise sounds", total=total),
            )
        )
        return
    from maker.sample.corpus import draw_corpus

    captions = draw_corpus(
        given.folder,
        scenes=given.scenes,
        held_out=given.held_out,
        seed=given.seed,
        progress=lambda scenes: progress(scenes, "draw scenes", total=given.scenes + given.held_out),
    )
    print(captions)
