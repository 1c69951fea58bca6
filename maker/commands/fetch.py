"""The verb `maker fetch`."""

from __future__ import annotations

import argparse
import sys

from maker.encoders.published import WEIGHTS

HELP = "download published weights, once, and print the path of the file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    known = "; ".join(f"{name}: {published.about}" for name, published in WEIGHTS.items())
    parser.add_argument("name", metavar="NAME", help=known)


def run(given: argparse.Namespace) -> None:
    """Downloads, and prints the path to stdout."""
    from maker.encoders.published import fetch

    path = fetch(given.name)
    sys.stderr.write(f"use it as --image-encoder tflite:{path}\n")
    print(path)
